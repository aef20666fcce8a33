"""Whether a provider is down, and since when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from batches.models import ProviderHealth
from batches.services.standing.downtime import is_down, note_downtime
from providers.models import Provider

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
LONG_AGO = NOW - timedelta(minutes=5)
OPEN: dict[str, Any] = {"breaker": "open", "breaker_until": NOW + timedelta(seconds=30)}


@pytest.mark.parametrize(
    ("noted", "down"),
    [
        ({}, False),
        (OPEN, True),
        ({"breaker": "half_open", "breaker_until": NOW}, True),
        ({"breaker": "open", "breaker_until": LONG_AGO, "updated_at": LONG_AGO}, False),
        ({**OPEN, "updated_at": LONG_AGO}, True),
        ({"hold_kind": "quota_exhausted"}, True),
        ({"hold_kind": "authentication", "updated_at": LONG_AGO}, True),
        ({"hold_kind": "rate_limited"}, False),
        ({"limited_until": NOW + timedelta(seconds=30)}, False),
        ({"in_flight": 3, "oldest_sent_at": LONG_AGO}, True),
        ({"in_flight": 3, "oldest_sent_at": LONG_AGO, "updated_at": LONG_AGO}, False),
    ],
)
def test_a_provider_is_down_if_it_carries_nothing_out(noted: dict[str, Any], *, down: bool) -> None:
    health = ProviderHealth(provider=Provider(name="up", adapter="openai"), **{"concurrency": 1, "updated_at": NOW, **noted})
    assert is_down(health, now=NOW) is down


@pytest.mark.django_db
def test_downtime_lasts_from_the_first_look_to_the_first_answer(
    simulator: Provider, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row = ProviderHealth.objects.create(provider=simulator, concurrency=1, updated_at=NOW)
    with django_assert_num_queries(1):
        assert note_downtime(now=NOW) == []
    for passed in (0, 30, 60):
        now = NOW + timedelta(seconds=passed)
        ProviderHealth.objects.filter(pk=row.pk).update(breaker="half_open", updated_at=now)
        assert [(each.provider, each.down_since) for each in note_downtime(now=now)] == [(simulator, NOW)]
    ProviderHealth.objects.filter(pk=row.pk).update(breaker="closed")
    assert note_downtime(now=now) == []
    row.refresh_from_db()
    assert row.down_since is None
