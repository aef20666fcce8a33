"""The state of one provider's limits: what is remembered of its projects, and of its models."""

from collections.abc import Collection

import msgspec

from batches.engine.limits.adaptive import Adaptive
from batches.engine.limits.blame import is_in_trouble
from batches.engine.limits.breaker import Breaker, Broken
from batches.engine.limits.hold import STRIKES, AccountHeld, Hold, Orders
from batches.engine.limits.slots import Holding, charge
from batches.engine.limits.windows import Drawn, Window, WindowSize

WHOLE = ""  # the provider as a whole, where a model's name could stand
MAX_STEP_BACK = 5.0  # seconds by which a clock may be set back before what was noted is taken for lost
REMEMBERED_SECONDS = 60.0  # a project that is in no trouble, after it was last heard of
MOST_IDLE = 64  # projects that are remembered without having anything here
MOST_CHARGED_SECONDS = 5.0  # at a time; for longer nobody was there


class Stake(msgspec.Struct, array_like=True):
    """What one project has of a provider, or of one of its models."""

    holding: Holding = msgspec.field(default_factory=Holding)
    drawn: Drawn = msgspec.field(default_factory=Drawn)
    held_until: float = float("-inf")  # by the upstream's word
    hold: Hold = msgspec.field(default_factory=Hold)


class Account(msgspec.Struct, array_like=True):
    """What all executors together hold of a provider or of a model."""

    charged_at: float
    requests: Window = msgspec.field(default_factory=Window)
    tokens: Window = msgspec.field(default_factory=Window)
    stakes: dict[str, Stake] = msgspec.field(default_factory=dict)  # by project

    def held(self, *, now: float) -> AccountHeld | None:
        """The hold of the provider or model itself; None when only some of its projects are held, or none."""
        if not is_in_trouble(stake.hold.vote for stake in self.stakes.values()):
            return None
        told = [held for stake in self.stakes.values() if (held := stake.hold.told(now=now))]
        return min(told, key=lambda held: held.probe_in)

    def exhausted_for(self, *, now: float) -> float:
        """For how many seconds nothing is left, by the upstream's word to every project that is here; else 0."""
        here = [stake.held_until for stake in self.stakes.values() if stake.holding.shares]
        return max(min(here, default=now) - now, 0.0)

    def is_empty(self, *, now: float, span: WindowSize) -> bool:
        return not self.stakes and self.requests.is_empty(now=now, span=span) and self.tokens.is_empty(now=now, span=span)


class Party(msgspec.Struct, array_like=True):
    """One project at this provider."""

    heard_at: float
    breaker: Breaker = msgspec.field(default_factory=Breaker)
    adaptive: Adaptive = msgspec.field(default_factory=Adaptive)


class State(msgspec.Struct, array_like=True, tag="by-project-1"):
    """All that is known of one provider. Times are in seconds on the clock of whoever keeps it."""

    begun_at: float
    unknown_before: bool
    seen_at: float
    accounts: dict[str, Account] = msgspec.field(default_factory=dict)  # by model, or the whole
    parties: dict[str, Party] = msgspec.field(default_factory=dict)  # by project
    orders: Orders = msgspec.field(default_factory=Orders)
    is_new: bool = True  # nobody was answered yet

    @classmethod
    def begin(cls, *, now: float, quiet: bool) -> "State":
        return cls(now, not quiet, now)

    def is_usable(self, *, now: float) -> bool:
        return self.seen_at <= now + MAX_STEP_BACK

    def broken(self, *, now: float) -> Broken | None:
        """The breaker of the provider itself; None when only some of its projects' are open, or none."""
        if not self.is_broken:
            return None
        told = [broken for party in self.parties.values() if (broken := party.breaker.told(now=now))]
        return min(told, key=lambda broken: broken.open_for)

    @property
    def is_broken(self) -> bool:
        return is_in_trouble(party.breaker.vote for party in self.parties.values())

    def stakes(self, project: str) -> list[Stake]:
        """Those of a project: one, and one of each model."""
        return [stake for account in self.accounts.values() if (stake := account.stakes.get(project))]

    def allowed(self, project: str, *, limit: int) -> int:
        """How many requests a project's own answers let it have in flight."""
        allowed = int(self.parties[project].adaptive.allowed or limit)
        return min(allowed, STRIKES if self.accounts[WHOLE].stakes[project].hold.on_trial else limit)

    @property
    def in_use(self) -> int:
        """Of the concurrency, by all executors together."""
        whole = self.accounts.get(WHOLE)
        return sum(stake.holding.used for stake in whole.stakes.values()) if whole else 0

    def charge(self, *, now: float) -> None:
        """Count what everybody has had since the last time; what dead executors had is free."""
        for account in self.accounts.values():
            seconds = min(max(now - account.charged_at, 0.0), MOST_CHARGED_SECONDS)
            charge([stake.holding for stake in account.stakes.values()], seconds=seconds)
            account.charged_at = now
            for stake in account.stakes.values():
                stake.holding.forget_dead(now=now)

    def tidy(self, present: Collection[str], *, now: float, span: WindowSize) -> None:
        """Forget projects that were not heard of for long, and models that nobody has a stake in."""
        idle = [project for project in self.parties if project not in present and not self._is_here(project)]
        idle.sort(key=lambda project: self.parties[project].heard_at, reverse=True)
        for place, project in enumerate(idle):
            is_old = now - self.parties[project].heard_at > REMEMBERED_SECONDS and not self._has_trouble(project)
            if is_old or place >= MOST_IDLE:
                del self.parties[project]
                for account in self.accounts.values():
                    account.stakes.pop(project, None)
        for name in [name for name, account in self.accounts.items() if name and account.is_empty(now=now, span=span)]:
            del self.accounts[name]

    def _is_here(self, project: str) -> bool:
        return any(stake.holding.shares for stake in self.stakes(project))

    def _has_trouble(self, project: str) -> bool:
        return self.parties[project].breaker.until is not None or any(stake.hold.held for stake in self.stakes(project))
