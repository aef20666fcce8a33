"""Providers that are held because of their account: the reason, the waiting batches, and the time of the next probe."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.http import urlencode

from batches.console.kit.lists.paging import capped, capped_count
from batches.filters import Condition
from batches.models import Batch, ProviderHealth, Slice
from batches.rules.states import BatchStatus
from batches.services.core.access import Access
from batches.services.insight.throughput import Backlog, backlog
from providers.failures import Kind
from providers.models import Provider

MOST_SHOWN = 20  # of a portal with more held providers than this, the rest is on the page of providers

# The remedy that a person has to carry out, outside of the portal or in the provider's settings.
REMEDIES = {
    Kind.AUTHENTICATION: "Store a credential that works, or have this one accepted again.",
    Kind.QUOTA: "Top up the account at the upstream, or raise its spending limit.",
}


@dataclass(frozen=True, slots=True)
class AccountProblem:
    """A held provider, as one reader sees it: `batches` and `waiting` are those of the reader's projects."""

    provider: Provider
    health: ProviderHealth
    kind: Kind
    batches: int
    waiting: Backlog
    address: str

    @property
    def remedy(self) -> str:
        return REMEDIES[self.kind]

    @property
    def count(self) -> str:
        return capped(self.batches)


def account_problems(access: Access, *, now: datetime) -> list[AccountProblem]:
    """The held providers that batches of the reader's projects wait for. The longest held provider comes first."""
    held = ProviderHealth.objects.with_account_problem().filter(provider__in=access.providers()).select_related("provider")
    found = [account_problem(access, row, now=now) for row in held.order_by("held_since")[:MOST_SHOWN]]
    return [problem for problem in found if problem is not None and problem.batches]


def account_problem(access: Access, health: ProviderHealth | None, *, now: datetime) -> AccountProblem | None:
    """The account problem of a provider; None if it has none."""
    if health is None or health.hold is None or not health.hold.is_of_account:
        return None
    running = access.within(Batch.objects.filter(provider=health.provider_id, status=BatchStatus.IN_PROGRESS))
    pieces = Slice.objects.filter(batch__provider=health.provider_id, batch__status=BatchStatus.IN_PROGRESS)
    question = urlencode({"condition": Condition.ACCOUNT_PROBLEM.value, "provider": health.provider.name})
    return AccountProblem(
        health.provider,
        health,
        health.hold,
        capped_count(running),
        backlog(access.within(pieces, project="batch__project"), now=now),
        f"{reverse('console:batches')}?{question}",
    )
