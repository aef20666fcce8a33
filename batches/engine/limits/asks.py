"""Asks and grants: what an executor tells the limiter and asks of it for one provider, and what it is answered."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from batches.engine.limits.breaker import Broken
from batches.engine.limits.hold import AccountHeld, Orders, Seen


class Why(StrEnum):
    """What keeps a request back."""

    LIMIT = "limit"  # one that an operator has set
    UPSTREAM = "upstream"  # one that the upstream tells of
    BREAKER = "breaker"
    HOLD = "hold"
    OTHERS = "others"  # other projects have all that may be in flight


class Caps(msgspec.Struct, frozen=True):
    """What an operator has set; None: no limit of its own."""

    concurrency: int | None = None
    requests: int | None = None  # per minute
    tokens: int | None = None

    @property
    def windowed(self) -> bool:
        return self.requests is not None or self.tokens is not None


class Want(msgspec.Struct, frozen=True):
    """What a project could use of a provider or model until the executor's next turn; and what there is to tell about it."""

    caps: Caps
    in_flight: int = 0  # or may be, until the answer is heard
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
    kind: str = ""  # of the last of them

    def after(self, earlier: "Tally") -> "Tally":
        """Both as one report, for an earlier one that nobody heard."""
        return Tally(
            answers=earlier.answers + self.answers,
            turned_away=earlier.turned_away + self.turned_away,
            lived=earlier.lived or self.lived,
            failures=self.failures if self.lived else earlier.failures + self.failures,
            kind=self.kind or earlier.kind,
        )


class Bid(msgspec.Struct, frozen=True):
    """What one project wants, of the provider as a whole and of its models, and what came back for it."""

    wants: Mapping[str, Want]
    tally: Tally = msgspec.field(default_factory=Tally)

    def without_returned(self) -> "Bid":
        """The same for a limiter that may have heard it: permits are given back once, or never."""
        wants = {name: msgspec.structs.replace(want, returned=()) for name, want in self.wants.items()}
        return msgspec.structs.replace(self, wants=wants)


class Ask(msgspec.Struct, frozen=True):
    """What an executor asks for one provider: a bid for each project of which it has work.

    `capacity` is how many requests the executor keeps in flight to a provider at most; `projects` is how many may use the
    provider. `quiet`: nobody has sent anything for a full window, so a missing state is a fresh start, not lost data.
    `held` is the hold of the provider that the executor knows of; it counts where the state is lost.
    """

    bids: Mapping[str, Bid]
    capacity: int
    projects: int = 1
    quiet: bool = False
    held: AccountHeld | None = None
    orders: Orders = msgspec.field(default_factory=Orders)

    def without_returned(self) -> "Ask":
        """The same for a limiter that may have heard it."""
        bids = {project: bid.without_returned() for project, bid in self.bids.items()}
        return msgspec.structs.replace(self, bids=bids)


class Permit(msgspec.Struct, frozen=True):
    """What a project is granted of a provider or model; None is without limit.

    `cell` tells when, to whom unused ones are given back.
    """

    share: int | None
    requests: int | None
    tokens: int | None
    cell: int = 0
    shut_for: float = 0.0  # there may be more after so many seconds
    reason: str = ""  # why there is none now
    why: Why | None = None
    held: AccountHeld | None = None


class Award(msgspec.Struct, frozen=True):
    """What one project is granted. `broken` tells of its breaker, unless that is closed.

    The last three are how many seconds ago a call was sent that succeeded, of any project, and how long ago the last hold of
    this project ended, and the last long one.
    """

    permits: Mapping[str, Permit]
    broken: Broken | None = None
    worked_for: float = float("inf")
    lifted_for: float = float("inf")
    excused_for: float = float("inf")


class Condition(msgspec.Struct, frozen=True):
    """How a provider as a whole, or a model, is doing: for everybody to see."""

    held: AccountHeld | None = None
    shut_for: float = 0.0
    reason: str = ""  # why nothing of it may be sent for so long


class Grant(msgspec.Struct, frozen=True):
    """The answer: an award for each project, and how the provider and its models are doing."""

    awards: Mapping[str, Award]
    conditions: Mapping[str, Condition]
    concurrency: int  # that its projects are allowed together
    valid: float  # for how many seconds permits last
    in_use: int = 0  # of the concurrency, by all executors together
    broken: Broken | None = None
