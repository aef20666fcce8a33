"""The state of one provider's limits: the memory of its projects and its models."""

from collections.abc import Collection

import msgspec

from batches.engine.limits.adaptive import Adaptive
from batches.engine.limits.blame import is_in_trouble
from batches.engine.limits.breaker import Breaker, Broken
from batches.engine.limits.hold import STRIKES, AccountHeld, Hold, Orders
from batches.engine.limits.pulse import Pulse
from batches.engine.limits.slots import Holding, charge
from batches.engine.limits.windows import Drawn, Window, WindowSize

WHOLE = ""  # stands for the provider as a whole in the place of a model's name
MAX_STEP_BACK = 5.0  # if the clock is set back by more seconds than this, the state counts as lost
REMEMBERED_SECONDS = 60.0  # how long a project without trouble is remembered after its last bid
MOST_IDLE = 64  # how many projects without a share are remembered
MOST_CHARGED_SECONDS = 5.0  # the most seconds charged at a time; in a longer gap no executor was there


class ProjectAtTarget(msgspec.Struct, array_like=True):
    """One project's use of a target: its slots, its draws from the windows, and its hold."""

    holding: Holding = msgspec.field(default_factory=Holding)
    drawn: Drawn = msgspec.field(default_factory=Drawn)
    held_until: float = float("-inf")  # the end of a wait that the upstream asked for
    hold: Hold = msgspec.field(default_factory=Hold)


class Target(msgspec.Struct, array_like=True):
    """What limits hold for: the provider as a whole, or one of its models. Here are its windows and its projects."""

    charged_at: float
    requests: Window = msgspec.field(default_factory=Window)
    tokens: Window = msgspec.field(default_factory=Window)
    projects: dict[str, ProjectAtTarget] = msgspec.field(default_factory=dict)  # by project

    def held(self, *, now: float) -> AccountHeld | None:
        """The hold of the provider or model itself; None when only some of its projects are held, or none."""
        if not is_in_trouble(at_target.hold.vote for at_target in self.projects.values()):
            return None
        holds = [held for at_target in self.projects.values() if (held := at_target.hold.snapshot(now=now))]
        return min(holds, key=lambda held: held.probe_in)

    def exhausted_for(self, *, now: float) -> float:
        """For how many seconds the upstream has told every project with shares that nothing is left; else 0."""
        here = [at_target.held_until for at_target in self.projects.values() if at_target.holding.shares]
        return max(min(here, default=now) - now, 0.0)

    def is_empty(self, *, now: float, span: WindowSize) -> bool:
        return not self.projects and self.requests.is_empty(now=now, span=span) and self.tokens.is_empty(now=now, span=span)


class ProjectAtProvider(msgspec.Struct, array_like=True):
    """One project's breaker and adaptive concurrency at this provider, over all its models."""

    heard_at: float  # when the project last had something to send, or an answer to report
    breaker: Breaker = msgspec.field(default_factory=Breaker)
    adaptive: Adaptive = msgspec.field(default_factory=Adaptive)


class State(msgspec.Struct, array_like=True, tag="by-project-1"):
    """The limiter's whole memory of one provider. Times are in seconds on the clock of the store (`keeping`)."""

    begun_at: float
    unknown_before: bool
    seen_at: float
    targets: dict[str, Target] = msgspec.field(default_factory=dict)  # by model, or the whole
    projects: dict[str, ProjectAtProvider] = msgspec.field(default_factory=dict)  # by project
    orders: Orders = msgspec.field(default_factory=Orders)
    is_new: bool = True  # whether no ask has been answered yet
    pulse: Pulse = msgspec.field(default_factory=Pulse)

    @classmethod
    def begin(cls, *, now: float, quiet: bool) -> "State":
        return cls(now, not quiet, now)

    def is_usable(self, *, now: float) -> bool:
        return self.seen_at <= now + MAX_STEP_BACK

    def broken(self, *, now: float) -> Broken | None:
        """The breaker of the provider itself; None when only some projects' breakers are open, or none."""
        if not self.is_broken:
            return None
        found = [broken for at_provider in self.projects.values() if (broken := at_provider.breaker.snapshot(now=now))]
        return min(found, key=lambda broken: broken.open_for)

    @property
    def is_broken(self) -> bool:
        return is_in_trouble(at_provider.breaker.vote for at_provider in self.projects.values())

    def at_targets(self, project: str) -> list[ProjectAtTarget]:
        """A project's use of every target: of the provider as a whole, and of each of its models."""
        return [at_target for target in self.targets.values() if (at_target := target.projects.get(project))]

    def allowed(self, project: str, *, limit: int) -> int:
        """How many requests a project's own answers let it have in flight."""
        allowed = int(self.projects[project].adaptive.allowed or limit)
        return min(allowed, STRIKES if self.targets[WHOLE].projects[project].hold.on_trial else limit)

    @property
    def in_use(self) -> int:
        """How many slots all executors use together."""
        whole = self.targets.get(WHOLE)
        return sum(at_target.holding.used for at_target in whole.projects.values()) if whole else 0

    def charge(self, *, now: float) -> None:
        """Count the slot-seconds of every project since the last time, and free the slots of dead executors."""
        for target in self.targets.values():
            seconds = min(max(now - target.charged_at, 0.0), MOST_CHARGED_SECONDS)
            charge([at_target.holding for at_target in target.projects.values()], seconds=seconds)
            target.charged_at = now
            for at_target in target.projects.values():
                at_target.holding.forget_dead(now=now)

    def tidy(self, present: Collection[str], *, now: float, span: WindowSize) -> None:
        """Forget projects without a recent bid, and models that no project uses."""
        idle = [project for project in self.projects if project not in present and not self._is_here(project)]
        idle.sort(key=lambda project: self.projects[project].heard_at, reverse=True)
        for place, project in enumerate(idle):
            is_old = now - self.projects[project].heard_at > REMEMBERED_SECONDS and not self._has_trouble(project)
            if is_old or place >= MOST_IDLE:
                del self.projects[project]
                for target in self.targets.values():
                    target.projects.pop(project, None)
        for name in [name for name, target in self.targets.items() if name and target.is_empty(now=now, span=span)]:
            del self.targets[name]

    def _is_here(self, project: str) -> bool:
        return any(at_target.holding.shares for at_target in self.at_targets(project))

    def _has_trouble(self, project: str) -> bool:
        return self.projects[project].breaker.until is not None or any(
            at_target.hold.held for at_target in self.at_targets(project)
        )
