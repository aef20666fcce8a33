"""The limiter: all limits of one provider, as one state and one pure rule. Where the state is kept is `limits`' business.

An executor asks at most once a turn, for everything at a time: it tells what it saw and what it wants, and is granted a
share of the concurrency and a block of permits, for the provider as a whole ("") and for each model with limits.
"""

from collections.abc import Mapping

import msgspec

from batches.engine.limits.breaker import Breaker
from batches.engine.limits.concurrency import Adaptive, Share, keep, share
from batches.engine.limits.hold import LONGEST_SECONDS, STRIKES, Held, Hold, Orders, Seen
from batches.engine.limits.windows import Span, Window

WHOLE = ""  # the provider as a whole, where a model's name could stand
UNKNOWN_SECONDS = 1.0  # for so long after its state was lost nobody gets more concurrency: all have reported by then
MAX_STEP_BACK = 5.0  # seconds by which a clock may be set back before what was noted is taken for lost


class Caps(msgspec.Struct, frozen=True):
    """What an operator has set; None: no limit of its own."""

    concurrency: int | None = None
    requests: int | None = None  # per minute
    tokens: int | None = None

    @property
    def windowed(self) -> bool:
        return self.requests is not None or self.tokens is not None


class Want(msgspec.Struct, frozen=True):
    """What an executor could use of one gate until its next turn; and what it has to tell about it."""

    caps: Caps
    in_flight: int = 0  # or may be, until it hears the answer
    wanted: int = 0  # requests in flight
    requests: int = 0  # permits
    tokens: int = 0
    least_tokens: int = 0  # with fewer it could send nothing
    returned: tuple[tuple[int, int, int], ...] = ()  # cell, requests and tokens that were granted then and not used
    held_for: float = 0.0  # the upstream says that nothing is left for so many seconds
    seen: Seen = msgspec.field(default_factory=Seen)


class Tally(msgspec.Struct):
    """What came back since the last report."""

    answers: int = 0
    turned_away: int = 0
    lived: bool = False  # something else than a fault came back
    failures: int = 0  # faults in a row, at the end
    sentence: str = ""  # about the last of them

    def after(self, earlier: "Tally") -> "Tally":
        """Both as one report, for an earlier one that nobody heard."""
        return Tally(
            answers=earlier.answers + self.answers,
            turned_away=earlier.turned_away + self.turned_away,
            lived=earlier.lived or self.lived,
            failures=self.failures if self.lived else earlier.failures + self.failures,
            sentence=self.sentence or earlier.sentence,
        )


class Ask(msgspec.Struct, frozen=True):
    """`quiet`: nobody has sent anything for a full window, so a missing state is a fresh start, not lost data.

    `held` is the hold of the provider that the executor knows of; it counts where the state is lost.
    """

    wants: Mapping[str, Want]
    tally: Tally
    quiet: bool = False
    held: Held | None = None
    orders: Orders = msgspec.field(default_factory=Orders)

    def without_returned(self) -> "Ask":
        """The same for a limiter that may have heard it: permits are given back once, or never."""
        wants = {name: msgspec.structs.replace(want, returned=()) for name, want in self.wants.items()}
        return msgspec.structs.replace(self, wants=wants)


class Permit(msgspec.Struct, frozen=True):
    """What a gate is granted; None is without limit. `cell` tells when, to whom unused ones are given back."""

    share: int | None
    requests: int | None
    tokens: int | None
    cell: int = 0
    shut_for: float = 0.0  # there may be more after so many seconds
    reason: str = ""  # why there is none now
    held: Held | None = None


class Grant(msgspec.Struct, frozen=True):
    """The answer. `open_for` is how much longer the breaker is open: 0 when it is half open, None when it is closed.

    The last three are how many seconds ago the last success came, the last hold of the provider ended, and the last long one.
    """

    permits: Mapping[str, Permit]
    concurrency: int
    valid: float  # for how many seconds the permits last
    in_use: int = 0  # of the concurrency, by all executors together
    open_for: float | None = None
    open_reason: str = ""
    worked_for: float = float("inf")
    lifted_for: float = float("inf")
    excused_for: float = float("inf")


class Account(msgspec.Struct):
    """What all executors together hold of a provider or of a model."""

    shares: dict[str, Share] = msgspec.field(default_factory=dict)
    requests: Window = msgspec.field(default_factory=Window)
    tokens: Window = msgspec.field(default_factory=Window)
    held_until: float = 0.0
    hold: Hold = msgspec.field(default_factory=Hold)


class State(msgspec.Struct):
    """All that is known of one provider. Times are in seconds on the clock of whoever keeps it."""

    begun_at: float
    unknown_before: bool
    seen_at: float
    accounts: dict[str, Account] = msgspec.field(default_factory=dict)
    adaptive: Adaptive = msgspec.field(default_factory=Adaptive)
    breaker: Breaker = msgspec.field(default_factory=Breaker)
    is_new: bool = True  # nobody was answered yet

    @classmethod
    def begin(cls, *, now: float, quiet: bool) -> "State":
        return cls(now, not quiet, now)

    def is_usable(self, *, now: float) -> bool:
        return self.seen_at <= now + MAX_STEP_BACK


def answer(state: State, executor: str, ask: Ask, *, now: float, span: Span, longest_hold: float = LONGEST_SECONDS) -> Grant:
    """Take an executor's report in, and grant it what it may have."""
    state.seen_at = now
    accounts = {name: _account(state, name, want, now=now, span=span) for name, want in ask.wants.items()}
    hold = accounts[WHOLE].hold
    if state.is_new:
        hold.remember(ask.held, ask.orders, now=now)
        state.is_new = False
    for name, want in ask.wants.items():
        _take_back(accounts[name], want, now=now)
        accounts[name].hold.note(executor, want.seen, longest=longest_hold, now=now)
    for account in state.accounts.values():
        account.hold.heed(ask.orders, now=now)  # after what was seen before it was asked for
    tally = ask.tally
    concurrency = _concurrency(state, ask, on_trial=hold.on_trial, now=now)
    state.breaker.note(executor, lived=tally.lived, failures=tally.failures, sentence=tally.sentence, now=now)
    if state.breaker.until is not None or hold.held:
        keep(accounts[WHOLE].shares, executor, in_flight=ask.wants[WHOLE].in_flight, now=now)
    if state.breaker.until is not None:
        permits = _while_broken(state, executor, ask, now=now)
    elif hold.held:
        permits = dict.fromkeys(ask.wants, _while_held(hold, executor, ask.wants[WHOLE], now=now))
    else:
        permits = {
            name: _going(state, name, executor, want, concurrency=concurrency, now=now, span=span)
            for name, want in ask.wants.items()
        }
    return Grant(
        permits,
        concurrency,
        span.valid,
        _in_use(accounts[WHOLE]),
        None if state.breaker.until is None else max(state.breaker.until - now, 0.0),
        "" if state.breaker.until is None else state.breaker.reason,
        worked_for=now - hold.worked_at,
        lifted_for=now - hold.lifted_at,
        excused_for=now - hold.excused_at,
    )


def _concurrency(state: State, ask: Ask, *, on_trial: bool, now: float) -> int:
    """How many requests may be in flight; few where a hold has ended without a success."""
    found = state.adaptive.note(
        answers=ask.tally.answers,
        turned_away=ask.tally.turned_away,
        drained=any(want.held_for for want in ask.wants.values()),
        limit=ask.wants[WHOLE].caps.concurrency or 1,
        now=now,
    )
    return min(found, STRIKES) if on_trial else found


def _going(state: State, name: str, executor: str, want: Want, *, concurrency: int, now: float, span: Span) -> Permit:
    """What a gate is granted while its provider works; a model that is held gets a probe at most."""
    account = state.accounts[name]
    if account.hold.held:
        return _while_held(account.hold, executor, want, now=now)
    limit = concurrency if name == WHOLE else want.caps.concurrency
    part = None if limit is None else _share(state, account, executor, want, limit=limit, now=now)
    return _permit(account, want, part, now=now, span=span)


def _in_use(account: Account) -> int:
    return sum(one.used for one in account.shares.values())


def _account(state: State, name: str, want: Want, *, now: float, span: Span) -> Account:
    """The account of this gate; a new one whose past is unknown is as full as it may be."""
    account = state.accounts.get(name)
    if account is None:
        account = state.accounts[name] = Account()
        if state.unknown_before and now < state.begun_at + span.seconds:
            caps = want.caps
            if caps.requests is not None:
                account.requests = Window.of_unknown_past(limit=caps.requests, now=state.begun_at, span=span)
            if caps.tokens is not None:
                account.tokens = Window.of_unknown_past(limit=caps.tokens, now=state.begun_at, span=span)
    return account


def _take_back(account: Account, want: Want, *, now: float) -> None:
    for cell, requests, tokens in want.returned:
        account.requests.give_back(cell, requests)
        account.tokens.give_back(cell, tokens)
    if want.held_for:
        account.held_until = max(account.held_until, now + want.held_for)


def _share(state: State, account: Account, executor: str, want: Want, *, limit: int, now: float) -> int:
    wanted = want.wanted
    if state.unknown_before and now < state.begun_at + UNKNOWN_SECONDS:
        wanted = min(wanted, want.in_flight)
    return share(account.shares, executor, wanted=wanted, in_flight=want.in_flight, limit=limit, now=now)


def _permit(account: Account, want: Want, part: int | None, *, now: float, span: Span) -> Permit:
    caps = want.caps
    if now < account.held_until:
        return Permit(part, 0, 0, shut_for=account.held_until - now, reason="the upstream says that its limit is used up")
    if not caps.windowed:
        return Permit(part, None, None)
    windows = [
        (account.requests, caps.requests, want.requests, 1, "requests"),
        (account.tokens, caps.tokens, want.tokens, max(want.least_tokens, 1), "tokens"),
    ]
    granted: list[int | None] = [None, None]
    for index, (window, limit, wanted, least, name) in enumerate(windows):
        if limit is None or not want.requests:
            continue
        granted[index] = window.grantable(wanted, least=least, limit=limit, now=now, span=span)
        if not granted[index]:
            wait = window.opens_in(least, limit=limit, now=now, span=span)
            return Permit(part, 0, 0, shut_for=wait, reason=f"its limit of {limit} {name} per minute is used up")
    if not want.requests:
        return Permit(part, 0, 0)
    for (window, *_), amount in zip(windows, granted, strict=True):
        if amount:
            window.take(amount, now=now, span=span)
    # Where only tokens are limited, the requests are not.
    return Permit(part, granted[0], granted[1], span.cell_at(now))


def _while_broken(state: State, executor: str, ask: Ask, *, now: float) -> dict[str, Permit]:
    """Nothing for anybody; but one call for one executor once the breaker is half open."""
    breaker, whole = state.breaker, ask.wants[WHOLE]
    assert breaker.until is not None
    open_for = max(breaker.until - now, 0.0)
    probes = not open_for and whole.wanted > 0 and breaker.lets_probe(executor, in_flight=whole.in_flight, now=now)
    held = state.accounts[WHOLE].hold.told(now=now)
    permit = _probe(whole, probes=probes, shut_for=open_for, reason="its circuit breaker is open", held=held)
    return dict.fromkeys(ask.wants, permit)


def _while_held(hold: Hold, executor: str, want: Want, *, now: float) -> Permit:
    """Nothing for anybody; but one call for one executor when the probe is due."""
    held = hold.told(now=now)
    assert held is not None
    probes = want.wanted > 0 and hold.lets_probe(executor, in_flight=want.in_flight, now=now)
    return _probe(want, probes=probes, shut_for=held.probe_in, reason=held.reason, held=held)


def _probe(want: Want, *, probes: bool, shut_for: float, reason: str, held: Held | None) -> Permit:
    """A permit for one call, beside what was sent before, or for none."""
    return Permit(want.in_flight + 1 if probes else 0, int(probes), None, shut_for=shut_for, reason=reason, held=held)
