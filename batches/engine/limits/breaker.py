"""The circuit breaker of a project at a provider: after many faults in a row nothing is sent for a while, then one call.

closed ── 20 faults in a row ──> open ── time passes ──> half open ── the probe is answered ──> closed
                                   └──────────── the probe is a fault: longer than before ──┘
"""

import msgspec

from batches.engine.limits.blame import Probe, Vote
from providers.failures import Kind

# What says that an upstream does not work. Anything else, a refusal or a 429, is the answer of one that does.
FAULTS = frozenset({Kind.OVERLOADED, Kind.SERVER_ERROR, Kind.INVALID_RESPONSE, Kind.TIMEOUT, Kind.CONNECT, Kind.CONNECTION_LOST})
FAILURES = 20  # in a row, over all workers
OPEN_SECONDS = 1.0  # at first; twice as long each time that a probe fails
MAX_OPEN_SECONDS = 60.0
MOST_DOUBLINGS = 10  # an upstream may be down for days: the power of so many failed probes is no number
CALM_SECONDS = 60.0  # a breaker that opens again sooner than this stays open for longer than the last time


class Broken(msgspec.Struct, frozen=True):
    """What there is to know of a breaker that is not closed: how many faults in a row, of which kind the last one was.

    `open_for` is how many more seconds it is open; 0 when it is half open.
    """

    failures: int
    kind: str
    open_for: float

    @property
    def reason(self) -> str:
        """Numbers and a kind: the texts of upstreams quote requests, which are not everybody's to see."""
        sentence = f": {Kind(self.kind).sentence}" if self.kind else "."
        return f"{self.failures} calls in a row failed{sentence}"


class Breaker(msgspec.Struct, array_like=True):
    """What all executors together have seen for one project. Times are in seconds on whatever clock `now` is read from."""

    failures: int = 0  # in a row
    times: int = 0  # opened without a calm stretch between
    until: float | None = None  # open until then, and half open after it; None: closed
    closed_at: float = float("-inf")
    kind: str = ""  # of the last failure
    lived: bool = False  # something else than a fault ever came back
    is_shared: bool = False  # open while nobody was well at the provider
    probe: Probe = msgspec.field(default_factory=Probe)

    @classmethod
    def of_newcomer(cls, broken: Broken, *, now: float) -> "Breaker":
        """That of a project that comes to a provider in trouble: half open."""
        return cls(failures=broken.failures, until=now, kind=broken.kind, is_shared=True)

    @property
    def vote(self) -> Vote:
        if self.until is not None:
            return Vote.TROUBLED
        return Vote.WELL if self.lived and not self.failures else Vote.UNDECIDED

    def note(self, executor: str, *, lived: bool, failures: int, kind: str, now: float) -> None:
        """Record a report: `failures` consecutive faults at its end; `lived` if any other outcome came before them."""
        self.lived |= lived
        if self.until is None:
            self.failures = failures + (0 if lived else self.failures)
            self.kind = kind or self.kind
            if self.failures >= FAILURES:
                self._open(now, again=now - self.closed_at < CALM_SECONDS)
        elif now < self.until:
            return  # what was sent before it opened
        elif lived and not failures:
            self.until, self.closed_at, self.failures = None, now, 0
            self.probe.end()
        elif failures and self.probe.is_of(executor):
            self.failures, self.kind = self.failures + failures, kind or self.kind
            self._open(now, again=True)

    def _open(self, now: float, *, again: bool) -> None:
        self.times = self.times + 1 if again else 1
        self.until = now + min(OPEN_SECONDS * 2.0 ** min(self.times - 1, MOST_DOUBLINGS), MAX_OPEN_SECONDS)
        self.probe.end()

    def hear_of_others(self, *, in_trouble: bool, now: float) -> None:
        """Whether its provider is in trouble. When that is over, what was opened meanwhile is tried at once."""
        if self.until is None:
            return
        if self.is_shared and not in_trouble:
            self.until = min(self.until, now)
        self.is_shared = in_trouble

    def lets_probe(self, executor: str, *, in_flight: int, now: float) -> bool:
        """Whether this executor, which wants to send, may send the one call of a half-open breaker."""
        return self.until is not None and now >= self.until and self.probe.lets(executor, in_flight=in_flight, now=now)

    def told(self, *, now: float) -> Broken | None:
        """What there is to know of it; None when it is closed."""
        return None if self.until is None else Broken(self.failures, self.kind, max(self.until - now, 0.0))
