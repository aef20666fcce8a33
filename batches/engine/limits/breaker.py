"""The circuit breaker of a project at a provider: after many faults in a row nothing is sent for a while, then one call.

A fault of a request that is itself the reason for it is not one of them (`is_own_fault`).

closed ── 20 faults in a row ──> open ── time passes ──> half open ── the probe is answered ──> closed
                                   └──────────── the probe is a fault: longer than before ──┘
"""

import msgspec

from batches.engine.limits.blame import Probe, Vote
from providers.failures import Kind

# The failures that show that an upstream does not work. Any other failure, as a refusal or a 429, shows that it does.
FAULTS = frozenset({Kind.OVERLOADED, Kind.SERVER_ERROR, Kind.INVALID_RESPONSE, Kind.TIMEOUT, Kind.CONNECT, Kind.CONNECTION_LOST})
FAILURES = 20  # a breaker opens after this many faults in a row, counted over all workers
OPEN_SECONDS = 1.0  # how long a breaker is open at first; the time doubles with each failed probe
MAX_OPEN_SECONDS = 60.0
MOST_DOUBLINGS = 10  # an upstream may be down for days, and 2 to the power of all failed probes would overflow
CALM_SECONDS = 60.0  # a breaker that opens again within this time stays open for longer than the last time


def is_own_fault(kind: Kind, *, first_fault: float | None, worked_at: float) -> bool:
    """Whether a request is itself the reason for a fault, so that the fault shows nothing about the provider.

    This is shown by a success of a call that was sent after the one that came to this request's first fault: the provider has
    worked since, and this request faults again. So each request is evidence against a provider once, and again only while
    nothing succeeds. A connection that cannot be made is never the request's doing. Both are the times at which calls were
    sent, in seconds on one clock; `first_fault` is None for a request that has not faulted before.
    """
    return kind is not Kind.CONNECT and first_fault is not None and worked_at > first_fault


class Broken(msgspec.Struct, frozen=True):
    """A breaker that is not closed: the number of faults in a row, and the kind of the last one.

    `open_for` is how many more seconds the breaker is open. It is 0 for a half-open breaker.
    """

    failures: int
    kind: str
    open_for: float

    @property
    def reason(self) -> str:
        """The reason in the portal's own words: texts of an upstream may quote requests, which not everybody may see."""
        sentence = f": {Kind(self.kind).sentence}" if self.kind else "."
        return f"{self.failures} calls in a row failed{sentence}"


class Breaker(msgspec.Struct, array_like=True):
    """The breaker of one project, fed by all executors together. Times are in seconds on the clock that `now` is read from."""

    failures: int = 0  # faults in a row
    times: int = 0  # how many times it opened without a calm stretch between
    until: float | None = None  # the breaker is open before this time and half open after it; None: closed
    closed_at: float = float("-inf")
    kind: str = ""  # the kind of the last fault
    lived: bool = False  # whether any outcome was not a fault
    is_shared: bool = False  # whether the provider itself was in trouble while the breaker was open
    probe: Probe = msgspec.field(default_factory=Probe)

    @classmethod
    def of_newcomer(cls, broken: Broken, *, now: float) -> "Breaker":
        """The breaker of a project that is new at a provider in trouble: half open."""
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
            return  # a report about requests from before it opened
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
        """Note whether the provider is in trouble. Once it is not, a breaker that opened meanwhile is half open at once."""
        if self.until is None:
            return
        if self.is_shared and not in_trouble:
            self.until = min(self.until, now)
        self.is_shared = in_trouble

    def try_now(self, *, now: float) -> None:
        """Carry out an operator's order: a breaker that is open is half open at once, and its waits begin anew."""
        if self.until is not None:
            self.times, self.until = 0, min(self.until, now)
            self.probe.end()

    def lets_probe(self, executor: str, *, in_flight: int, now: float) -> bool:
        """Whether this executor may send the probe of a half-open breaker. The executor must have something to send."""
        return self.until is not None and now >= self.until and self.probe.lets(executor, in_flight=in_flight, now=now)

    def snapshot(self, *, now: float) -> Broken | None:
        """The breaker as others see it; None when it is closed."""
        return None if self.until is None else Broken(self.failures, self.kind, max(self.until - now, 0.0))
