"""The hold: after a few answers in a row that every other request would get, too, nothing is sent but a probe.

going ── 5 strikes in a row, no success between ──> held ── a probe is answered, or an operator resumes ──> going
                                                     └─── the probe is a strike: the next one comes later ───┘

A strike is a failure of the account (it is empty, or its credential is refused), or an upstream that asks to wait for
longer than any limit per minute explains. Each project has a hold of the provider as a whole, and one of each of its
models. No request is lost to a hold: each waits, and is sent again once the hold is over.
"""

import msgspec

from batches.engine.limits.blame import Probe, Vote
from providers.base import Failure
from providers.failures import Kind

STRIKES = 5  # few calls are wasted; and one odd request, tried once or twice beside others, does not hold a provider
LONG_WAIT_SECONDS = 60.0  # limits are per minute; an upstream that asks for more has run out of something else
FIRST_SECONDS = 5.0  # from the beginning of a hold to its first probe; twice as long after each probe that is a strike
LONGEST_SECONDS = 300.0  # from one probe to the next, where no setting says otherwise
MOST_DOUBLINGS = 16  # a hold may last for days: the power of so many probes is no number
CALM_SECONDS = 60.0  # a hold that begins sooner after the last goes on with its intervals; see also `counts`


def is_strike(failure: Failure) -> bool:
    """Whether every other request would fail so, too."""
    return failure.kind.is_of_account or (failure.kind is Kind.RATE_LIMITED and (failure.retry_after or 0) > LONG_WAIT_SECONDS)


def counts(*, last_strike: float | None, worked_at: float, excused_at: float, held: bool) -> bool:
    """Whether a failure of the account counts against MAX_ATTEMPTS of its request; then it is no strike.

    A failure counts when the request alone is the reason: the provider answered another request with a success since this
    one failed so the last time (`last_strike`). Such requests exist: an upstream may refuse the credential for some records
    only. Each of them ends after MAX_ATTEMPTS that count, as with any other failure, and does not keep others from being
    sent: what counts is no strike.

    No other failure of the account counts. The first one of a request does not, since nothing shows yet whose fault it is.
    One without a success since the last does not: a few of these, and the provider is held. One during a hold does not, nor
    the first after a hold of CALM_SECONDS or longer (it ended at `excused_at`): then the account was the reason. A hold that
    a probe ends sooner was begun by a few odd requests. So an account that stays empty until somebody mends it costs no
    request its attempts, however often that happens, and no request is sent to the deadline for a reason of its own.
    """
    return last_strike is not None and not held and worked_at > last_strike and excused_at <= last_strike


class Seen(msgspec.Struct):
    """What an executor saw come back through a gate since its last report."""

    worked: bool = False  # a success came
    worked_ago: float = 0.0  # so many seconds ago the last call was sent that succeeded
    answered: bool = False  # an answer came that is neither a success nor a strike, of an upstream that works
    faulted: bool = False  # a fault came: it says nothing of the account
    strikes: int = 0  # since the last success
    kind: str = ""  # of the last strike

    def after(self, earlier: "Seen") -> "Seen":
        """Both as one report, for an earlier one that nobody heard."""
        return Seen(
            worked=earlier.worked or self.worked,
            worked_ago=self.worked_ago if self.worked else earlier.worked_ago,
            answered=earlier.answered or self.answered,
            faulted=earlier.faulted or self.faulted,
            strikes=self.strikes if self.worked else earlier.strikes + self.strikes,
            kind=self.kind or earlier.kind,
        )


class AccountHeld(msgspec.Struct, frozen=True):
    """What there is to know of a hold: the kind of its last strike, how many came in a row, and two times in seconds."""

    kind: Kind
    strikes: int
    held_for: float
    probe_in: float = 0.0  # 0: a probe may be sent, or is under way

    @property
    def reason(self) -> str:
        """A kind and a number: the texts of upstreams quote requests, which are not everybody's to see."""
        calls = "1 call" if self.strikes == 1 else f"{self.strikes:,} calls"
        if self.kind.is_of_account:
            return f"{calls} in a row failed: {self.kind.sentence}"
        return f"{calls} in a row were answered with a long wait: {self.kind.sentence}"


class Orders(msgspec.Struct, array_like=True):
    """What operators asked for last, in seconds since 1970: to send a probe at once, and to end the hold."""

    probe: float = 0.0
    resume: float = 0.0

    def latest(self, other: "Orders") -> "Orders":
        return Orders(max(self.probe, other.probe), max(self.resume, other.resume))


class Hold(msgspec.Struct, array_like=True):
    """What all executors together have seen for one project. Times are in seconds on whatever clock `now` is read from."""

    strikes: int = 0  # in a row
    kind: str = ""  # of the last strike
    held: bool = False
    since: float = float("-inf")  # when it began the last time
    until: float = float("-inf")  # then it sends its next probe
    times: int = 0  # that it began, or its probe was a strike, without a calm stretch between
    on_trial: bool = False  # it ended without a success: the next strike begins it again
    struck_at: float = float("-inf")  # the last strike
    worked_at: float = float("-inf")  # when the last call was sent that succeeded
    lifted_at: float = float("-inf")
    excused_at: float = float("-inf")  # when the last hold ended that was not a short one
    probe: Probe = msgspec.field(default_factory=Probe)
    orders: Orders = msgspec.field(default_factory=Orders)  # those that were carried out

    def note(self, executor: str, seen: Seen, *, longest: float, now: float) -> None:
        """Take in what an executor saw since its last report. What was sent before a hold began says nothing of it."""
        if seen.worked:
            self.worked_at = max(self.worked_at, now - seen.worked_ago)
        if seen.strikes:
            self.struck_at = now
        if not self.held:
            self._note_going(seen, longest=longest, now=now)
        elif now >= self.until and self.probe.is_of(executor):
            self._note_probe(seen, longest=longest, now=now)

    def _note_going(self, seen: Seen, *, longest: float, now: float) -> None:
        if seen.worked:
            self.strikes, self.on_trial = 0, False
        if not seen.strikes:
            return
        self.strikes, self.kind = self.strikes + seen.strikes, seen.kind
        if self.strikes < STRIKES and not self.on_trial:
            return
        if now - self.lifted_at >= CALM_SECONDS:
            self.times = 0
        if not self.on_trial:
            self.since = now
        self.held, self.on_trial = True, False
        self._wait(longest=longest, now=now)

    def _note_probe(self, seen: Seen, *, longest: float, now: float) -> None:
        if seen.strikes:
            self.strikes, self.kind = self.strikes + seen.strikes, seen.kind
            self._wait(longest=longest, now=now)
        elif seen.worked or seen.answered:
            self._lift(on_trial=not seen.worked, now=now)
        elif seen.faulted:
            self.times -= 1  # it says nothing of the account: the next probe comes as soon as this one did
            self._wait(longest=longest, now=now)

    def hear_of_others(self, *, worked_at: float, now: float) -> None:
        """A call of another project that was sent then has succeeded: after the last strike, that says that requests
        themselves are the reason for strikes, or that the account is mended. Both show when they are sent again."""
        if self.held and worked_at > self.struck_at:
            self._lift(on_trial=True, now=now)

    def _wait(self, *, longest: float, now: float) -> None:
        self.times += 1
        self.until = now + min(FIRST_SECONDS * 2.0 ** min(max(self.times - 1, 0), MOST_DOUBLINGS), longest)
        self.probe.end()

    def _lift(self, *, on_trial: bool, now: float) -> None:
        self.held, self.on_trial, self.lifted_at = False, on_trial, now
        if now - self.since >= CALM_SECONDS:
            self.excused_at = now
        self.probe.end()
        if not on_trial:
            self.strikes = 0

    def heed(self, orders: Orders, *, now: float) -> None:
        """Do what operators asked for, once, whoever brings it. They have mended something: intervals begin anew."""
        if orders.probe > self.orders.probe and self.held:
            self.times, self.until = 0, now
            self.probe.end()
        if orders.resume > self.orders.resume and self.held:
            self.times = 0
            self._lift(on_trial=True, now=now)
        self.orders = self.orders.latest(orders)

    @classmethod
    def of_newcomer(cls, held: AccountHeld | None, orders: Orders, *, now: float) -> "Hold":
        """That of a project that comes. Where the provider itself is held, it begins with a probe."""
        hold = cls()
        hold.remember(held, orders, now=now)
        return hold

    @property
    def vote(self) -> Vote:
        if self.held:
            return Vote.TROUBLED
        return Vote.WELL if self.worked_at > self.struck_at else Vote.UNDECIDED

    def remember(self, known: AccountHeld | None, orders: Orders, *, now: float) -> None:
        """Begin with what an executor knows of a hold, when all else was lost: with a probe at once."""
        self.orders = orders
        if known is not None:
            self.held, self.kind, self.strikes = True, known.kind.value, known.strikes
            self.since, self.until = now - known.held_for, now
            self.struck_at = now

    def lets_probe(self, executor: str, *, in_flight: int, now: float) -> bool:
        """Whether this executor, which wants to send, may send the probe of the hold."""
        return now >= self.until and self.probe.lets(executor, in_flight=in_flight, now=now)

    def told(self, *, now: float) -> AccountHeld | None:
        """What there is to know of it; None when there is no hold."""
        return AccountHeld(Kind(self.kind), self.strikes, now - self.since, max(self.until - now, 0.0)) if self.held else None
