"""The circuit breaker of a provider: after many failures in a row it is left alone for a while, then tried with one call.

closed ── 20 failures in a row ──> open ── time passes ──> half open ── the probe succeeds ──> closed
                                    └────────── the probe fails: longer than before ──┘
"""

import msgspec

from batches.engine.limits.probe import Probe
from providers.failures import Kind

# What says that an upstream does not work. Anything else, a refusal or a 429, is the answer of one that does.
FAULTS = frozenset({Kind.OVERLOADED, Kind.SERVER_ERROR, Kind.INVALID_RESPONSE, Kind.TIMEOUT, Kind.CONNECT, Kind.CONNECTION_LOST})
FAILURES = 20  # in a row, over all workers
OPEN_SECONDS = 1.0  # at first; twice as long each time that a probe fails
MAX_OPEN_SECONDS = 60.0
MOST_DOUBLINGS = 10  # an upstream may be down for days: the power of so many failed probes is no number
CALM_SECONDS = 60.0  # a breaker that opens again sooner than this stays open for longer than the last time


class Breaker(msgspec.Struct):
    """What all executors together have seen. Times are in seconds on whatever clock `now` is read from."""

    failures: int = 0  # in a row
    times: int = 0  # opened without a calm stretch between
    until: float | None = None  # open until then, and half open after it; None: closed
    closed_at: float = float("-inf")
    sentence: str = ""  # about the last failure
    probe: Probe = msgspec.field(default_factory=Probe)

    def note(self, executor: str, *, lived: bool, failures: int, sentence: str, now: float) -> None:
        """Since its last report an executor saw so many failures at the end; `lived`: and something else before them."""
        if self.until is None:
            self.failures = failures + (0 if lived else self.failures)
            self.sentence = sentence or self.sentence
            if self.failures >= FAILURES:
                self._open(now, again=now - self.closed_at < CALM_SECONDS)
        elif now < self.until:
            return  # what was sent before it opened
        elif lived and not failures:
            self.until, self.closed_at, self.failures = None, now, 0
            self.probe.end()
        elif failures and self.probe.is_of(executor):
            self.failures, self.sentence = self.failures + failures, sentence or self.sentence
            self._open(now, again=True)

    def _open(self, now: float, *, again: bool) -> None:
        self.times = self.times + 1 if again else 1
        self.until = now + min(OPEN_SECONDS * 2.0 ** min(self.times - 1, MOST_DOUBLINGS), MAX_OPEN_SECONDS)
        self.probe.end()

    def lets_probe(self, executor: str, *, in_flight: int, now: float) -> bool:
        """Whether this executor, which wants to send, may send the one call of a half-open breaker."""
        return self.probe.lets(executor, in_flight=in_flight, now=now)

    @property
    def reason(self) -> str:
        return f"{self.failures} calls in a row failed: {self.sentence}"
