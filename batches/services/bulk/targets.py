"""targets: the providers that chosen batches could be moved to, and how many of the batches each could take."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Count

from batches.models import Batch, ProviderGrant, ProviderHealth, Slice
from batches.models.batch import BatchQuerySet
from batches.services.core.access import Access
from batches.services.insight.throughput import Backlog, backlog
from batches.services.policy.serving import listed_models
from providers.models import Provider

MOST_PROVIDERS = 50  # how many providers are looked at
MOST_TARGETS = 10  # how many of them are offered


@dataclass(frozen=True, slots=True)
class Target:
    """A provider that could take some of the batches. `is_standby` says that it stands by for a provider of theirs."""

    provider: Provider
    takes: int
    is_standby: bool
    is_down: bool


class Likeness(NamedTuple):
    """Batches that are alike for this question, and their number."""

    project: UUID
    provider: UUID
    endpoint: str
    model: str
    number: int


def remaining(rows: BatchQuerySet, *, now: datetime) -> Backlog:
    """The requests that are left in these batches."""
    return backlog(Slice.objects.filter(batch__in=_bounded(rows)), now=now)


def targets(rows: BatchQuerySet, *, by: Access) -> tuple[Target, ...]:
    """The providers that could take some of these batches: standbys first, then real ones, then those that take most.

    Six queries at most.
    """
    alike = [Likeness(*row) for row in _likenesses(rows)]
    if not alike:
        return ()
    down = set(ProviderHealth.objects.filter(model="", down_since__isnull=False).values_list("provider_id", flat=True))
    standbys = set(Provider.objects.filter(pk__in={each.provider for each in alike}).values_list("standby_id", flat=True))
    known = Provider.objects.enabled().filter(pk__in=by.providers().order_by().values("pk")).prefetch_related("models")
    among = list(known.order_by("name")[:MOST_PROVIDERS])
    grants = set(ProviderGrant.objects.filter(provider__in=among).values_list("provider_id", "project_id"))
    found = [
        Target(provider, _taken(provider, alike, grants), provider.pk in standbys, provider.pk in down) for provider in among
    ]
    able = [target for target in found if target.takes]
    return tuple(
        sorted(able, key=lambda each: (each.is_down, not each.is_standby, -each.takes, each.provider.name))[:MOST_TARGETS]
    )


def _likenesses(rows: BatchQuerySet) -> Iterable[tuple[UUID, UUID, str, str, int]]:
    found = Batch.objects.filter(pk__in=_bounded(rows)).order_by().values_list("project_id", "provider_id", "endpoint", "model")
    return found.annotate(count=Count("pk"))


def _bounded(rows: BatchQuerySet) -> BatchQuerySet:
    return rows.order_by()[: settings.BULK_OPERATION_MAX_BATCHES + 1]


def _taken(provider: Provider, alike: Iterable[Likeness], grants: Collection[tuple[UUID, UUID]]) -> int:
    """How many batches a provider could take. These are the conditions of `serving` without a query for each provider."""
    endpoints, listed = provider.endpoints, listed_models(provider)
    models = listed | {""} if listed else None
    return sum(
        each.number
        for each in alike
        if each.provider != provider.pk
        and each.endpoint in endpoints
        and (provider.granted_to_all or (provider.pk, each.project) in grants)
        and (models is None or each.model in models)
    )
