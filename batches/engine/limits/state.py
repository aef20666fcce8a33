"""The state of one provider's limits: the memory of its projects and its models."""

from collections.abc import Collection

import msgspec

from batches.engine.limits.adaptive import Adaptive
from batches.engine.limits.blame import is_in_trouble
from batches.engine.limits.breaker import Breaker, Broken
from batches.engine.limits.hold import STRIKES, AccountHeld, Hold, Orders
from batches.engine.limits.pulse import Pulse
from batches.engine.limits.slots import Holding, charge
from batches.engine.limits.windows import Drawn, Window, WindowSize

WHOLE = ""  # stands for the provider as a whole in the place of a model's name
MAX_STEP_BACK = 5.0  # if the clock is set back by more seconds than this, the state counts as lost
REMEMBERED_SECONDS = 60.0  # how long a project without trouble is remembered after its last bid
MOST_IDLE = 64  # how many projects without a share are remembered
MOST_CHARGED_SECONDS = 5.0  # the most seconds charged at a time; in a longer gap no executor was there


class Stake(msgspec.Struct, array_like=True):
    """One project's slots, draws from windows, and hold at a provider or one of its models."""

    holding: Holding = msgspec.field(default_factory=Holding)
    drawn: Drawn = msgspec.field(default_factory=Drawn)
    held_until: float = float("-inf")  # the end of a wait that the upstream asked for
    hold: Hold = msgspec.field(default_factory=Hold)


class Account(msgspec.Struct, array_like=True):
    """The windows of a provider or a model, and the stakes of its projects, over all executors."""

    charged_at: float
    requests: Window = msgspec.field(default_factory=Window)
    tokens: Window = msgspec.field(default_factory=Window)
    stakes: dict[str, Stake] = msgspec.field(default_factory=dict)  # by project

    def held(self, *, now: float) -> AccountHeld | None:
        """The hold of the provider or model itself; None when only some of its projects are held, or none."""
        if not is_in_trouble(stake.hold.vote for stake in self.stakes.values()):
            return None
        holds = [held for stake in self.stakes.values() if (held := stake.hold.snapshot(now=now))]
        return min(holds, key=lambda held: held.probe_in)

    def exhausted_for(self, *, now: float) -> float:
        """For how many seconds the upstream has told every project with shares that nothing is left; else 0."""
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
    """The limiter's whole memory of one provider. Times are in seconds on the clock of the store (`keeping`)."""

    begun_at: float
    unknown_before: bool
    seen_at: float
    accounts: dict[str, Account] = msgspec.field(default_factory=dict)  # by model, or the whole
    parties: dict[str, Party] = msgspec.field(default_factory=dict)  # by project
    orders: Orders = msgspec.field(default_factory=Orders)
    is_new: bool = True  # whether no ask has been answered yet
    pulse: Pulse = msgspec.field(default_factory=Pulse)

    @classmethod
    def begin(cls, *, now: float, quiet: bool) -> "State":
        return cls(now, not quiet, now)

    def is_usable(self, *, now: float) -> bool:
        return self.seen_at <= now + MAX_STEP_BACK

    def broken(self, *, now: float) -> Broken | None:
        """The breaker of the provider itself; None when only some projects' breakers are open, or none."""
        if not self.is_broken:
            return None
        found = [broken for party in self.parties.values() if (broken := party.breaker.snapshot(now=now))]
        return min(found, key=lambda broken: broken.open_for)

    @property
    def is_broken(self) -> bool:
        return is_in_trouble(party.breaker.vote for party in self.parties.values())

    def stakes(self, project: str) -> list[Stake]:
        """The stakes of a project: one in the provider, and one in each of its models."""
        return [stake for account in self.accounts.values() if (stake := account.stakes.get(project))]

    def allowed(self, project: str, *, limit: int) -> int:
        """How many requests a project's own answers let it have in flight."""
        allowed = int(self.parties[project].adaptive.allowed or limit)
        return min(allowed, STRIKES if self.accounts[WHOLE].stakes[project].hold.on_trial else limit)

    @property
    def in_use(self) -> int:
        """How many slots all executors use together."""
        whole = self.accounts.get(WHOLE)
        return sum(stake.holding.used for stake in whole.stakes.values()) if whole else 0

    def charge(self, *, now: float) -> None:
        """Count the slot-seconds of every project since the last time, and free the slots of dead executors."""
        for account in self.accounts.values():
            seconds = min(max(now - account.charged_at, 0.0), MOST_CHARGED_SECONDS)
            charge([stake.holding for stake in account.stakes.values()], seconds=seconds)
            account.charged_at = now
            for stake in account.stakes.values():
                stake.holding.forget_dead(now=now)

    def tidy(self, present: Collection[str], *, now: float, span: WindowSize) -> None:
        """Forget projects without a recent bid, and models that no project has a stake in."""
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
