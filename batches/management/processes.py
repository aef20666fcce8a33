"""Child processes: started together, started again when they die, stopped together, none left behind."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings

PR_SET_PDEATHSIG = 1
LOOK_EVERY = 0.2  # seconds
MARGIN_SECONDS = 10.0  # on top of the longest time in which a process stops in order; then it is killed
FIRST_PAUSE = 1.0  # the seconds before a process that died is started again; each further pause is twice as long, up to
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0  # after a process has lived so long, its next pause is the first one again


def end_with_parent() -> None:
    """Let the kernel stop this process (SIGTERM) when its parent dies. This works only on Linux; elsewhere it does nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def web_grace() -> float:
    """The seconds that a web process has to stop: it drains, and its requests in progress end."""
    return float(settings.DRAIN_SECONDS + settings.WEB_STOP_SECONDS + MARGIN_SECONDS)


def worker_grace() -> float:
    """The seconds that a worker has to stop: its calls in flight settle, and it gives its leases back."""
    return float(settings.CANCEL_GRACE_SECONDS + MARGIN_SECONDS)


@dataclass(slots=True)
class Child:
    """A child process. It leads a process group, which holds all processes that it starts."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0  # when to start it (again)
    pause: float = 0.0  # the pause before its last start

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal reaches only the supervisor
            preexec_fn=end_with_parent,  # noqa: PLW1509 - the supervisor has no threads
        )

    def has_ended(self) -> bool:
        """Whether the process has ended. If it has, the rest of its group is killed."""
        if self.process is None:
            return True
        if self.process.poll() is None:
            return False
        self.signal_group(signal.SIGKILL)
        return True

    def signal_group(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


class Supervisor:
    """Keeps processes running until SIGINT, SIGTERM or SIGHUP. A second signal kills them at once."""

    def __init__(self, children: Sequence[Child], *, say: Callable[[str], object], grace: float) -> None:
        """`grace` is the time in seconds that processes have to stop. One that takes longer is killed."""
        self.children = children
        self.say = say
        self.grace = grace
        self.signals = 0

    def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            while not self.signals:
                self._revive(now=time.monotonic())
                time.sleep(LOOK_EVERY)
        finally:
            self._stop()

    def _on_signal(self, *_: object) -> None:
        self.signals += 1

    def _revive(self, *, now: float) -> None:
        for child in self.children:
            if child.process is None:
                if now >= child.start_at:
                    child.start()
            elif child.has_ended():
                was_steady = now - child.started_at > STEADY_SECONDS
                child.pause = FIRST_PAUSE if was_steady or not child.pause else min(child.pause * 2, LONGEST_PAUSE)
                child.start_at = now + child.pause
                self.say(f"{child.name} ended with code {child.process.returncode}; it starts again in {child.pause:.0f} s.")
                child.process = None

    def _stop(self) -> None:
        for child in self.children:
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + self.grace
        while running := [child for child in self.children if not child.has_ended()]:
            if time.monotonic() > deadline or self.signals > 1:
                self.say("Killed, because it did not end in time: " + ", ".join(child.name for child in running))
                for child in running:
                    child.signal_group(signal.SIGKILL)
                deadline = time.monotonic() + self.grace
                self.signals = 1
            time.sleep(LOOK_EVERY / 4)
