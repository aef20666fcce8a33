"""Random faults and acts, one after the other, on a portal that always has work; then proof that every count is true.

A seed decides the faults and acts, their order and their distances, so that a run can be repeated. Only the pace of the machine
differs between runs.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPException
from pathlib import Path

from tests.chaos.client import Run
from tests.chaos.faults import Servers, frozen, kill
from tests.chaos.levers import leave_room, set_clock
from tests.chaos.moods import GOOD, MOODS, Moody
from tests.chaos.stage import Stage

OPEN = 5  # the number of batches that are kept open
SIZES = (1, 40, 300, 1500, 4000)
ROLES = ("--queues execute", "--queues control", "--queues delegate", "beat", "config.web")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, with its beginning and end on the monotonic clock. `costs`: executors may have lost unrecorded outcomes."""

    name: str
    began: float
    ended: float
    costs: bool


@dataclass(slots=True)
class Havoc:
    """Does one act or fault after the other to a portal, and remembers them."""

    stage: Stage
    servers: Servers
    seed: int
    say: Callable[[str], None]
    faults: list[Fault] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    dice: random.Random = field(init=False)
    upstream: Moody = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.upstream = Moody(self.seed)
        self.stage.upstream.behave(self.upstream.behaviour)

    def go_on_for(self, seconds: float) -> None:
        """Throw faults for so many seconds. Then undo all lasting faults, and resume paused batches."""
        until = time.monotonic() + seconds
        acts = [self.cancel, self.pause, self.resume, self.retry, self.prioritise]
        faults = [
            *(self.kill_executor, self.kill_a_role, self.hold_up_an_executor, self.change_the_mood, self.change_the_mood),
            *(self.flush_redis, self.kill_redis, self.restart_postgresql, self.fill_the_disk, self.move_the_clock),
        ]
        while time.monotonic() < until:
            self.keep_busy()
            self.dice.choice(self.dice.choices([acts, faults], weights=[1, 1])[0])()
            time.sleep(self.dice.uniform(0.3, 2.5))
        self.upstream.mood = GOOD
        self.say("everything is as it should be again")
        self.stage.portal.wait_until_ready()
        for (run,) in self.stage.rows("SELECT id FROM batches_batch WHERE paused_at IS NOT NULL"):
            self.stage.act(Run(f"batch_{run.hex}", 0), "resume")

    # --- Acts of clients and operators

    def keep_busy(self) -> None:
        """Submit batches until enough are open. A batch that cannot be submitted at the moment is left out."""
        with suppress(OSError, HTTPException):
            for _ in range(OPEN - self.open()):
                size = self.dice.choice(SIZES)
                self.runs.append(self.stage.submit(size))

    def open(self) -> int:
        ((count,),) = self.stage.rows("SELECT count(*) FROM batches_batch WHERE ended_at IS NULL")
        return int(count)

    def cancel(self) -> None:
        self._act("cancel", among=3)

    def pause(self) -> None:
        self._act("pause", among=2)

    def resume(self) -> None:
        self._act("resume", among=4)

    def retry(self) -> None:
        self._act("retry", among=4)

    def prioritise(self) -> None:
        self._act("prioritise", among=3, priority=self.dice.randint(-2, 2))

    def _act(self, verb: str, *, among: int, **about: object) -> None:
        """Do an act to one of the latest batches, in whatever state it is."""
        if not self.runs:
            return
        run = self.dice.choice(self.runs[-among:])
        with suppress(OSError, HTTPException):
            self.say(f"{verb} {run.id}: {self.stage.act(run, verb, **about)}")

    # --- Faults

    @contextmanager
    def _noted(self, name: str, *, costs: bool = False) -> Iterator[None]:
        self.say(name)
        began = time.monotonic()
        yield
        self.faults.append(Fault(name, began, time.monotonic(), costs))

    def _executor(self) -> int | None:
        found = self.stage.rows("SELECT name FROM batches_worker WHERE role = 'execute' ORDER BY started_at")
        pids = {int(name.rpartition(":")[2]) for (name,) in found} & set(self.stage.portal.pids())
        return self.dice.choice(sorted(pids)) if pids else None

    def kill_executor(self) -> None:
        if (victim := self._executor()) is not None:
            with self._noted("kill -9 of an executor", costs=True), suppress(ProcessLookupError):
                kill([victim])

    def kill_a_role(self) -> None:
        words = self.dice.choice(ROLES)
        with suppress(AssertionError, FileNotFoundError, ProcessLookupError):
            victim = self.stage.leader(words)
            family = {int(pid) for pid in Path(f"/proc/{victim}/task/{victim}/children").read_text().split()}
            with self._noted(f"kill -9 of {words}", costs=words == ROLES[0]):
                kill([victim])
                # The executors work on until they are removed as dead.
                self.stage.wait_until(lambda: family.isdisjoint(self.stage.portal.pids()), what="its processes had gone")

    def hold_up_an_executor(self) -> None:
        if (victim := self._executor()) is not None:
            with self._noted("an executor is held up", costs=True), suppress(ProcessLookupError), frozen(victim):
                time.sleep(self.dice.uniform(1.0, 9.0))

    def change_the_mood(self) -> None:
        self.upstream.mood = self.dice.choice([GOOD, *MOODS])
        self.say(f"the upstream is {self.upstream.mood}")

    def flush_redis(self) -> None:
        with self._noted("Redis is flushed"):
            self.servers.flush_redis()

    def kill_redis(self) -> None:
        with self._noted("Redis is killed"):
            self.servers.kill_redis(away=self.dice.uniform(0.1, 2.0))

    def restart_postgresql(self) -> None:
        with self._noted("PostgreSQL is started again"):
            self.servers.restart_postgresql(away=self.dice.uniform(0.1, 2.0))

    def fill_the_disk(self) -> None:
        with self._noted("the disk is full"):
            leave_room(self.stage.portal.folder, self.dice.choice([0, 1000, 50_000]))
            time.sleep(self.dice.uniform(1.0, 4.0))
            leave_room(self.stage.portal.folder, None)

    def move_the_clock(self) -> None:
        """Move the clock by more than a lease lasts, so that leases run out while executors work."""
        with self._noted("the clock is wrong", costs=True):
            set_clock(self.stage.portal.folder, timedelta(seconds=self.dice.choice([-20, 20, 60])))
            time.sleep(self.dice.uniform(0.5, 3.0))
            set_clock(self.stage.portal.folder, None)
