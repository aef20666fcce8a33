"""delegation: what the provider jobs of batches do, did and cost, in sums for pages and programs."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Coalesce, Greatest

from batches.models import Batch, ProviderJob
from batches.rules.display.counted import amount_of
from batches.rules.execution import AT_PROVIDER, Execution, JobState

_SUMS = ("succeeded", "duplicates", "late", "unpriced", "cost_nanos", "direct_cost_nanos", "wasted_nanos")


@dataclass(frozen=True, slots=True)
class Delegation:
    """The provider jobs of one batch: how many in each state, and sums over all of them.

    Costs are None as long as no price is known. They are those of the rows that came home.
    """

    jobs: Mapping[JobState, int] = field(default_factory=dict)
    sums: Mapping[str, int] = field(default_factory=dict)

    @property
    def cost(self) -> Decimal | None:
        """What the requests cost that succeeded in jobs."""
        return self._money("cost_nanos")

    @property
    def direct_cost(self) -> Decimal | None:
        """What the same requests would have cost, had the portal sent them directly."""
        return self._money("direct_cost_nanos")

    @property
    def paid_in_vain(self) -> Decimal | None:
        """What results cost that changed nothing: duplicates, and those that came after the batch had stopped."""
        return self._money("wasted_nanos")

    @property
    def saved(self) -> Decimal | None:
        """What the batch price has saved, less what was paid in vain; negative if it has saved nothing."""
        cost, direct, wasted = self.cost, self.direct_cost, self.paid_in_vain
        return None if cost is None or direct is None or wasted is None else direct - cost - wasted

    @property
    def duplicates(self) -> int:
        """The results of requests that another way had settled."""
        return self.sums.get("duplicates", 0)

    @property
    def late(self) -> int:
        """The results that came after the batch had stopped."""
        return self.sums.get("late", 0)

    def _money(self, name: str) -> Decimal | None:
        if self.sums.get("unpriced") and not self.sums.get("direct_cost_nanos"):
            return None
        return amount_of(self.sums.get(name, 0))


def delegations(batches: Iterable[Batch]) -> dict[uuid.UUID, Delegation]:
    """The sums for each batch that was handed over. One query, and none if no batch was."""
    keys = [batch.pk for batch in batches if Execution(batch.execution).is_handed_over]
    if not keys:
        return {}
    rows = ProviderJob.objects.filter(batch__in=keys).order_by().values("batch", "state")
    jobs: dict[uuid.UUID, dict[JobState, int]] = {pk: {} for pk in keys}
    sums: dict[uuid.UUID, dict[str, int]] = {pk: dict.fromkeys(_SUMS, 0) for pk in keys}
    found = rows.annotate(jobs=Count("pk"), **{f"sum_{name}": Sum(name) for name in _SUMS})
    for row in cast("Iterable[dict[str, Any]]", found):
        jobs[row["batch"]][JobState(row["state"])] = row["jobs"]
        for name in _SUMS:
            sums[row["batch"]][name] += row[f"sum_{name}"]
    return {pk: Delegation(jobs[pk], sums[pk]) for pk in keys}


@dataclass(frozen=True, slots=True)
class Underway:
    """What providers tell of a batch that they run. `name` is the provider's id of its job, if it is in one job as a whole.

    `done` is the number of requests that the provider has finished, as it counts, and whose results are not here yet.
    """

    name: str = ""
    done: int = 0


def underway(batches: Iterable[Batch]) -> dict[uuid.UUID, Underway]:
    """What providers tell of each batch that was handed over. One query, and none if no batch was."""
    keys = [batch.pk for batch in batches if Execution(batch.execution).is_handed_over]
    if not keys:
        return {}
    here = F("succeeded") + F("failed") + F("never_ran") + F("duplicates") + F("late")
    there = Coalesce("reported_succeeded", 0) + Coalesce("reported_failed", 0)
    running = Q(state__in=AT_PROVIDER, released_at=None)
    rows = ProviderJob.objects.filter(batch__in=keys).order_by().values("batch")
    told = rows.annotate(jobs=Count("pk"), name=Max("remote_id"), done=Sum(Greatest(there - here, 0), filter=running))
    return {row["batch"]: Underway(row["name"] if row["jobs"] == 1 else "", row["done"] or 0) for row in told}
