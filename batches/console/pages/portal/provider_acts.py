"""What can be done at once to the batches of a provider: move, pause and resume them, each as a bulk operation."""

from dataclasses import dataclass

from django.db.models import Count, Q
from django.http import QueryDict
from django.urls import reverse

from batches.console.kit.lists.paging import COUNT_CAP, capped
from batches.models.batch import BatchQuerySet
from batches.services.bulk.targets import Target, targets
from batches.services.core.access import Access, Right
from batches.services.core.amend import RUNNABLE
from providers.models import Provider


@dataclass(frozen=True, slots=True)
class ProviderActs:
    """The batches of a provider that the reader may act on: how many there are, how many are paused, and where they could go.

    `query` is what chooses them in the list of batches.
    """

    total: int
    paused: int
    targets: tuple[Target, ...]
    query: str
    back: str

    @property
    def count(self) -> str:
        return capped(self.total)


def provider_acts(access: Access, provider: Provider) -> ProviderActs:
    """The acts on the batches that wait or run at a provider. One query if there are none."""
    rows = access.batches(Right.ACT).filter(provider=provider, status__in=RUNNABLE, ended_at=None)
    assert isinstance(rows, BatchQuerySet)
    counted = rows.order_by()[: COUNT_CAP + 1].aggregate(total=Count("pk"), paused=Count("pk", filter=Q(paused_at__isnull=False)))
    query = QueryDict(mutable=True)
    query["provider"] = provider.name
    query.setlist("status", sorted(RUNNABLE))
    return ProviderActs(
        **counted,
        targets=targets(rows, by=access) if counted["total"] else (),
        query=query.urlencode(),
        back=reverse("console:provider", args=[provider.name]),
    )
