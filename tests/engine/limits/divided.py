"""A provider's slots, divided among projects in a test."""

from collections.abc import Mapping

from batches.engine.limits.slots import Claim, Holding, charge, grant_slots


class Slots:
    """The slots of one provider, and what its executors have of them."""

    def __init__(self, limit: int = 10, *, projects: int = 2, capacity: int = 256) -> None:
        self.limit, self.projects, self.capacity, self.now = limit, projects, capacity, 0.0
        self.holdings: dict[str, Holding] = {}

    def ask(self, executor: str = "x", /, **wants: tuple[int, int]) -> dict[str, int]:
        """What an executor gets for each project, of which it has so many in flight and wants so many."""
        claims = {project: Claim(in_flight, wanted, self.limit) for project, (in_flight, wanted) in wants.items()}
        return self.claim(executor, claims)

    def claim(self, executor: str, claims: Mapping[str, Claim]) -> dict[str, int]:
        for project in claims:
            self.holdings.setdefault(project, Holding())
        limits = {"limit": self.limit, "capacity": self.capacity, "projects": self.projects}
        return grant_slots(self.holdings, executor, claims, now=self.now, **limits)

    def after(self, seconds: float) -> None:
        self.now += seconds
        charge(self.holdings.values(), seconds=seconds)
