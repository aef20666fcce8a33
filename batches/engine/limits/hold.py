"""The hold: after five strikes in a row nothing is sent but a probe. A strike is an answer that any other request would get.

going ── 5 strikes in a row, no success between ──> held ── a probe is answered, or an operator resumes ──> going
                                                     └─── the probe is a strike: the next one comes later ───┘

There are two kinds of strike: a failure of the account (it is empty, or its credential is refused), and an upstream that asks
for a longer wait than any limit per minute explains. Each project has a hold of the provider as a whole, and one of each
model. No request is lost to a hold: each request waits, and is sent again once the hold is over.
"""

import msgspec

from batches.engine.limits.blame import Probe, Vote
from batches.rules.display.counted import counted
from providers.base import Failure
from providers.failures import Kind

STRIKES = 5  # so few that hardly any calls are wasted, and so many that one odd request cannot begin a hold
LONG_WAIT_SECONDS = 60.0  # limits are per minute, so an upstream that asks for a longer wait has run out of something else
FIRST_SECONDS = 5.0  # from the beginning of a hold to its first probe; the time doubles with each probe that is a strike
LONGEST_SECONDS = 300.0  # the longest time from one probe to the next, unless a setting changes it
MOST_DOUBLINGS = 16  # a hold may last for days, and 2 to the power of all probes would overflow
CALM_SECONDS = 60.0  # a hold that begins within this time after the last one goes on with its intervals; see also `counts`


def is_strike(failure: Failure) -> bool:
    """Whether any other request would fail in the same way."""
    return failure.kind.is_of_account or (failure.kind is Kind.RATE_LIMITED and (failure.retry_after or 0) > LONG_WAIT_SECONDS)


def counts(*, last_strike: float | None, worked_at: float, excused_at: float, held: bool) -> bool:
    """Whether a failure of the account counts against the MAX_ATTEMPTS of its request. A failure that counts is no strike.

    A failure counts if the request alone is the reason. This is shown by a success of another request since this request
    last failed in the same way (`last_strike`). Such requests exist: an upstream may refuse the credential for some records
    only. Each of them fails for good after MAX_ATTEMPTS, and never begins a hold for the others.

    No other failure of the account counts:
    - The first failure of a request, since nothing shows yet whose fault it is.
    - A failure without a success since the last one. A few of these begin a hold.
    - A failure during a hold, and the first one after a hold of CALM_SECONDS or longer (which ended at `excused_at`): the
      account was the reason. A shorter hold was begun by a few odd requests.

    So an account that is empty for a while costs no request its attempts, however often that happens. And a request that
    fails for a reason of its own is not sent again and again until the deadline.
    """
    return last_strike is not None and not held and worked_at > last_strike and excused_at <= last_strike


class Seen(msgspec.Struct):
    """The answers that an executor got through one gate since its last report."""

    worked: bool = False  # whether there was a success
    worked_ago: float = 0.0  # how many seconds ago the last successful call was sent
    answered: bool = False  # whether there was an answer that is neither a success nor a strike
    faulted: bool = False  # whether there was a fault; a fault shows nothing about the account
    strikes: int = 0  # strikes since the last success
    kind: str = ""  # the kind of the last strike

    def after(self, earlier: "Seen") -> "Seen":
        """This report joined with an earlier one that the limiter did not hear."""
        return Seen(
            worked=earlier.worked or self.worked,
            worked_ago=self.worked_ago if self.worked else earlier.worked_ago,
            answered=earlier.answered or self.answered,
            faulted=earlier.faulted or self.faulted,
            strikes=self.strikes if self.worked else earlier.strikes + self.strikes,
            kind=self.kind or earlier.kind,
        )


class AccountHeld(msgspec.Struct, frozen=True):
    """A hold: the kind of its last strike, and the number of strikes in a row. Times are in seconds."""

    kind: Kind
    strikes: int
    held_for: float  # how long ago the hold began
    probe_in: float = 0.0  # when the next probe may be sent; 0: now, or one is in flight

    @property
    def reason(self) -> str:
        """The reason in the portal's own words: texts of an upstream may quote requests, which not everybody may see."""
        calls = counted(self.strikes, "call")
        if self.kind.is_of_account:
            return f"{calls} in a row failed: {self.kind.sentence}"
        return f"{calls} in a row were answered with a long wait: {self.kind.sentence}"


class Orders(msgspec.Struct, array_like=True):
    """When operators last ordered a probe, and last ordered the end of the hold, in seconds since 1970."""

    probe: float = 0.0
    resume: float = 0.0

    def latest(self, other: "Orders") -> "Orders":
        return Orders(max(self.probe, other.probe), max(self.resume, other.resume))

    def is_news(self, *, after: "Orders") -> bool:
        """Whether one of these orders came later than the others."""
        return self.probe > after.probe or self.resume > after.resume


class Hold(msgspec.Struct, array_like=True):
    """The hold of one project, fed by all executors together. Times are in seconds on the clock that `now` is read from."""

    strikes: int = 0  # strikes in a row
    kind: str = ""  # the kind of the last strike
    held: bool = False  # whether there is a hold at present
    since: float = float("-inf")  # when the last hold began
    until: float = float("-inf")  # when the next probe may be sent
    times: int = 0  # how many holds began, and probes were strikes, without a calm stretch between
    on_trial: bool = False  # whether the hold ended without a success, so that the next strike begins it again
    struck_at: float = float("-inf")  # when the last strike came
    worked_at: float = float("-inf")  # when the last successful call was sent
    lifted_at: float = float("-inf")  # when the last hold ended
    excused_at: float = float("-inf")  # when the last hold of CALM_SECONDS or longer ended
    probe: Probe = msgspec.field(default_factory=Probe)
    orders: Orders = msgspec.field(default_factory=Orders)  # the orders that were carried out

    def note(self, executor: str, seen: Seen, *, longest: float, now: float) -> None:
        """Record an executor's report. During a hold only reports of the executor with the probe change anything."""
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
            self.times -= 1  # a fault shows nothing about the account, so the interval to the next probe does not grow
            self._wait(longest=longest, now=now)

    def hear_of_others(self, *, worked_at: float, now: float) -> None:
        """End the hold on trial if another project's successful call was sent after the last strike.

        Then either this project's requests themselves are the reason for the strikes, or the account has been mended. Sending
        them again shows which it is.
        """
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

    def carry_out(self, orders: Orders, *, now: float) -> None:
        """Carry out new orders of operators, once. An order means that something was mended, so the intervals begin anew."""
        if orders.probe > self.orders.probe and self.held:
            self.times, self.until = 0, now
            self.probe.end()
        if orders.resume > self.orders.resume and self.held:
            self.times = 0
            self._lift(on_trial=True, now=now)
        self.orders = self.orders.latest(orders)

    @classmethod
    def of_newcomer(cls, held: AccountHeld | None, orders: Orders, *, now: float) -> "Hold":
        """The hold of a project that is new at a provider. If the provider itself is held, the project begins with a probe."""
        hold = cls()
        hold.remember(held, orders, now=now)
        return hold

    @property
    def vote(self) -> Vote:
        if self.held:
            return Vote.TROUBLED
        return Vote.WELL if self.worked_at > self.struck_at else Vote.UNDECIDED

    def remember(self, known: AccountHeld | None, orders: Orders, *, now: float) -> None:
        """Begin with a hold that is known from elsewhere, and with a probe at once."""
        self.orders = orders
        if known is not None:
            self.held, self.kind, self.strikes = True, known.kind.value, known.strikes
            self.since, self.until = now - known.held_for, now
            self.struck_at = now

    def lets_probe(self, executor: str, *, in_flight: int, now: float) -> bool:
        """Whether this executor may send the probe of the hold. The executor must have something to send."""
        return now >= self.until and self.probe.lets(executor, in_flight=in_flight, now=now)

    def snapshot(self, *, now: float) -> AccountHeld | None:
        """The hold as others see it; None when there is no hold."""
        return AccountHeld(Kind(self.kind), self.strikes, now - self.since, max(self.until - now, 0.0)) if self.held else None
