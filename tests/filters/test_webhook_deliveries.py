"""The filters over deliveries of webhooks."""

import pytest
from django.http import QueryDict
from django.utils import timezone

from batches.filters import WebhookDeliveryFilter
from batches.models import DeliveryStatus, Project, WebhookDelivery
from tests.console.conftest import MakeBatch, make_batch
from tests.webhooks import make_delivery, make_endpoint

__all__ = ["make_batch"]

pytestmark = pytest.mark.django_db


def asked(query: str) -> WebhookDeliveryFilter:
    return WebhookDeliveryFilter(QueryDict(query), queryset=WebhookDelivery.objects.all(), now=timezone.now())


def test_each_parameter_narrows_and_several_values_widen(make_batch: MakeBatch, project: Project) -> None:
    batch = make_batch()
    endpoint = make_endpoint(project)
    ended = make_delivery(endpoint, batch=batch, status=DeliveryStatus.DELIVERED)
    waits = make_delivery(endpoint, type="batch.failed")
    for query, found in {
        "": {ended, waits},
        "status=waiting": {waits},
        "status=waiting&status=delivered": {ended, waits},
        "type=batch.completed": {ended},
        "status=waiting&type=batch.completed": set(),
        f"batch={batch}": {ended},
        f"batch=msgbatch_{batch.pk.hex}": {ended},
        "batch=batch_0": set(),
    }.items():
        assert set(asked(query).matching) == found, query


@pytest.mark.parametrize(
    "query", ["status=lost", "type=batch", "colour=red", "batch=a&batch=b", "batch=%00", "batch=" + "x" * 81]
)
def test_what_is_not_understood_matches_nothing_and_is_said(query: str, project: Project) -> None:
    make_delivery(make_endpoint(project))
    chosen = asked(query)
    assert len(chosen.problems) == 1
    assert not chosen.matching.exists()
