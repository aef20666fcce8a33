"""Slots: the rule that divides the requests in flight among projects, and among the executors of each project."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

SHARE_SECONDS = 5  # an executor that has not asked for this long counts as dead, with nothing in flight
KEPT_FREE = 32  # one slot of this many is kept free for a project that comes
TURN_SECONDS = 1.0  # by how many slot-seconds a project with slots may be ahead of a project that waits for them
MOST_OWED = 600.0  # by how many slot-seconds a project may be ahead of another at most; no call takes longer


class Share(msgspec.Struct, array_like=True):
    """An executor's part of a project's slots."""

    used: int  # the slots granted or in flight, whichever is more
    wanted: int
    ends: float


class Holding(msgspec.Struct, array_like=True):
    """A project's part of the slots of a provider or model.

    `served` is how many slot-seconds the project has had, relative to a project that comes. `most` is the number of slots
    that it may have at most, given its own faults.
    """

    shares: dict[str, Share] = msgspec.field(default_factory=dict)  # by executor
    served: float = 0.0
    most: int = 0

    @property
    def used(self) -> int:
        return sum(share.used for share in self.shares.values())

    @property
    def wanted(self) -> int:
        return min(sum(share.wanted for share in self.shares.values()), self.most)

    def forget_dead(self, *, now: float) -> None:
        for executor in [executor for executor, share in self.shares.items() if share.ends <= now]:
            del self.shares[executor]


class Claim(msgspec.Struct, frozen=True):
    """An executor's claim to slots for one project."""

    in_flight: int  # how many requests are in flight, or may be when the answer comes
    wanted: int  # how many requests could be in flight
    most: int  # how many requests the project may have in flight over all executors


def divide(slots: int, wants: Sequence[int]) -> list[int]:
    """The max-min fair division: each gets its want or an equal part. Slots that cannot be divided go to the first ones."""
    left, level = max(slots, 0), 0
    for place, want in enumerate(sorted(wants)):
        level = left // (len(wants) - place)
        if want > level:
            break
        left -= want
    parts = [min(want, level) for want in wants]
    left = max(slots, 0) - sum(parts)
    for index, want in enumerate(wants):
        if left and parts[index] < want:
            parts[index] += 1
            left -= 1
    return parts


def kept_free(limit: int, *, there: int, projects: int) -> int:
    """How many slots are kept free while only `there` of the `projects` that may use the provider are present."""
    if limit < 2 or there >= projects:
        return 0
    return min(max(limit // KEPT_FREE, 1), max(limit - there, 0))


def charge(holdings: Iterable[Holding], *, seconds: float) -> None:
    """Count the slot-seconds of each project. A project that comes counts as served one turn less than the least served one."""
    holdings = list(holdings)
    for holding in holdings:
        holding.served += holding.used * seconds
    fewest = min((holding.served for holding in holdings if holding.used or holding.wanted), default=0.0)
    floor = max(fewest - TURN_SECONDS, 0.0)
    for holding in holdings:
        holding.served = min(max(holding.served - floor, 0.0), MOST_OWED)


def grant_slots(
    holdings: Mapping[str, Holding],
    executor: str,
    claims: Mapping[str, Claim],
    *,
    limit: int,
    capacity: int,
    projects: int,
    now: float,
) -> dict[str, int]:
    """How many requests of each project this executor may have in flight.

    All slots granted or in flight together stay within `limit`, provided that each claim reports all requests that may be in
    flight.
    """
    _note(holdings, executor, claims, now=now)
    order = sorted((name for name, one in holdings.items() if one.used or one.wanted), key=lambda name: _turn(name, holdings))
    executors = {executor}.union(*(one.shares for one in holdings.values()))
    limit = min(limit, capacity * len(executors))
    kept = kept_free(limit, there=len(order), projects=projects)
    targets = divide(limit - kept, [holdings[name].wanted for name in order])
    used = sum(one.used for one in holdings.values())
    parts = {}
    for name, target in zip(order, targets, strict=True):
        if name not in claims:
            continue
        left = limit - used + holdings[name].shares[executor].used
        parts[name] = _part(holdings[name], executor, target=target, left=left)
        used += _take(holdings[name], executor, parts[name], in_flight=claims[name].in_flight)
    room = capacity - kept_free(capacity, there=len(order), projects=projects)
    if sum(parts.values()) > room:
        parts = dict(zip(parts, divide(room, list(parts.values())), strict=True))
        for name, part in parts.items():
            _take(holdings[name], executor, part, in_flight=claims[name].in_flight)
    return {name: parts.get(name, 0) for name in claims}


def _note(holdings: Mapping[str, Holding], executor: str, claims: Mapping[str, Claim], *, now: float) -> None:
    for holding in holdings.values():
        holding.forget_dead(now=now)
    for name, claim in claims.items():
        holdings[name].most = claim.most
        holdings[name].shares[executor] = Share(claim.in_flight, claim.wanted, now + SHARE_SECONDS)


def _turn(name: str, holdings: Mapping[str, Holding]) -> tuple[float, bool, str]:
    """The order of projects: the least served first. A project with slots has a bonus, so that slots rarely change hands."""
    holding = holdings[name]
    is_in_use = holding.used > 0
    return holding.served - (TURN_SECONDS if is_in_use else 0.0), is_in_use, name


def _part(holding: Holding, executor: str, *, target: int, left: int) -> int:
    """Grant the slots that other executors leave free.

    The grant is capped at an equal share while any executor has less than its share and wants more.
    """
    mine = holding.shares[executor]
    others = [share for owner, share in holding.shares.items() if owner != executor]
    rivals = [share for share in others if share.wanted]
    equal = max(target // (len(rivals) + 1), 1)
    is_starved = any(share.used < min(share.wanted, equal) for share in rivals)
    unused = target - sum(share.used for share in others)
    return max(min(mine.wanted, unused, left, equal if is_starved else target), 0)


def _take(holding: Holding, executor: str, part: int, *, in_flight: int) -> int:
    """Note a grant, and return how many more slots are in use by it."""
    share = holding.shares[executor]
    before, share.used = share.used, max(part, in_flight)
    return share.used - before
