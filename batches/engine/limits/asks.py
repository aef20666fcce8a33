"""Asks and grants: an executor's question to the limiter for one provider, with its reports, and the limiter's answer."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from batches.engine.limits.breaker import Broken
from batches.engine.limits.hold import AccountHeld, Orders, Seen


class Why(StrEnum):
    """The kind of limit that holds a request back."""

    LIMIT = "limit"  # a limit that an operator has set
    UPSTREAM = "upstream"  # a limit that the upstream reports
    BREAKER = "breaker"
    HOLD = "hold"
    OTHERS = "others"  # other projects use all slots


class Caps(msgspec.Struct, frozen=True):
    """The limits that an operator has set for a provider or a model. None is no limit."""

    concurrency: int | None = None
    requests: int | None = None  # per minute
    tokens: int | None = None

    @property
    def windowed(self) -> bool:
        return self.requests is not None or self.tokens is not None


class Want(msgspec.Struct, frozen=True):
    """A project's want of a provider or model until the executor's next turn, with a report of the answers since the last."""

    caps: Caps
    in_flight: int = 0  # how many requests are in flight, or may be when the answer comes
    wanted: int = 0  # how many requests could be in flight
    requests: int = 0  # how many permits for requests it could use
    tokens: int = 0  # how many permits for tokens it could use
    least_tokens: int = 0  # with fewer tokens it could send nothing
    returned: tuple[tuple[int, int, int], ...] = ()  # unused permits: the cell of their grant, requests and tokens
    held_for: float = 0.0  # for how many seconds the upstream says that nothing is left
    seen: Seen = msgspec.field(default_factory=Seen)


class Tally(msgspec.Struct):
    """A project's answers since the last report."""

    answers: int = 0
    turned_away: int = 0
    lived: bool = False  # whether any outcome was not a fault
    failures: int = 0  # how many consecutive faults came at the end
    kind: str = ""  # the kind of the last fault
    failed: int = 0  # how many of the answers were no success
    refused: int = 0  # how many the upstream turned away with a 429
    unanswered: int = 0  # how many calls came to a fault without an answer

    def after(self, earlier: "Tally") -> "Tally":
        """This report joined with an earlier one that the limiter did not hear."""
        return Tally(
            answers=earlier.answers + self.answers,
            turned_away=earlier.turned_away + self.turned_away,
            lived=earlier.lived or self.lived,
            failures=self.failures if self.lived else earlier.failures + self.failures,
            kind=self.kind or earlier.kind,
            failed=earlier.failed + self.failed,
            refused=earlier.refused + self.refused,
            unanswered=earlier.unanswered + self.unanswered,
        )


class Calls(msgspec.Struct, frozen=True):
    """An executor's calls to a provider that are in flight, and for how many seconds the oldest of them has been."""

    in_flight: int = 0
    oldest_for: float = 0.0


class Bid(msgspec.Struct, frozen=True):
    """The part of an ask for one project: its wants of the provider as a whole and of models, and the tally of its answers."""

    wants: Mapping[str, Want]
    tally: Tally = msgspec.field(default_factory=Tally)

    def without_returned(self) -> "Bid":
        """This bid without returned permits, for a limiter that may have heard it: permits are never returned twice."""
        wants = {name: msgspec.structs.replace(want, returned=()) for name, want in self.wants.items()}
        return msgspec.structs.replace(self, wants=wants)


class Ask(msgspec.Struct, frozen=True):
    """An executor's question for one provider: a bid for each project that it has work of.

    `capacity` is how many requests the executor keeps in flight to a provider at most. `projects` is how many projects may
    use the provider. `quiet`: nobody has sent anything for a full window, so a missing state is a fresh start, not lost data.
    `held` is the hold of the provider that the executor knows of. The limiter uses it only if the state was lost.
    """

    bids: Mapping[str, Bid]
    capacity: int
    projects: int = 1
    quiet: bool = False
    held: AccountHeld | None = None
    orders: Orders = msgspec.field(default_factory=Orders)
    calls: Calls = msgspec.field(default_factory=Calls)

    def without_returned(self) -> "Ask":
        """This ask without returned permits, for a limiter that may have heard it."""
        bids = {project: bid.without_returned() for project, bid in self.bids.items()}
        return msgspec.structs.replace(self, bids=bids)


class Permit(msgspec.Struct, frozen=True):
    """The permits that a project is granted for a provider or model. None is no limit.

    `cell` is the time cell of the grant. Unused permits are returned to it.
    """

    share: int | None
    requests: int | None
    tokens: int | None
    cell: int = 0
    shut_for: float = 0.0  # after how many seconds there may be more permits
    reason: str = ""  # why there are no permits now
    why: Why | None = None
    held: AccountHeld | None = None


class Award(msgspec.Struct, frozen=True):
    """The answer to one project's bid. `broken` describes the project's breaker, and is None while that is closed.

    `worked_for` is how many seconds ago the last successful call of any project was sent. `lifted_for` and `excused_for` are
    how many seconds ago the last hold of this project, and the last long hold, ended.
    """

    permits: Mapping[str, Permit]
    broken: Broken | None = None
    worked_for: float = float("inf")
    lifted_for: float = float("inf")
    excused_for: float = float("inf")


class Condition(msgspec.Struct, frozen=True):
    """The health of a provider as a whole, or of a model, for everybody to see."""

    held: AccountHeld | None = None
    shut_for: float = 0.0  # for how many seconds nothing may be sent
    reason: str = ""  # why nothing may be sent


class Vitals(msgspec.Struct):
    """The calls to a provider, over all executors and projects: those in flight, and the outcomes of the latest (`pulse`).

    `oldest_for` is for how many seconds the oldest call in flight has been sent, and `answered_for` how many seconds ago the
    last answer came. `failed_in_a_row` is how many calls failed since the last success.
    """

    in_flight: int = 0
    oldest_for: float = 0.0
    answered_for: float = float("inf")
    calls: int = 0
    succeeded: int = 0
    refused: int = 0
    unanswered: int = 0
    failed_in_a_row: int = 0


class Grant(msgspec.Struct, frozen=True):
    """The answer to an ask: an award for each project, and the condition of the provider and its models."""

    awards: Mapping[str, Award]
    conditions: Mapping[str, Condition]
    concurrency: int  # how many requests the projects may have in flight together
    valid: float  # for how many seconds permits last
    in_use: int = 0  # how many slots all executors use together
    broken: Broken | None = None
    vitals: Vitals = msgspec.field(default_factory=Vitals)
