"""Deliveries of webhooks go when they are over and their project keeps them no longer; never one that is still due."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, DeliveryStatus, Project, RetentionKind, WebhookDelivery, WebhookEndpoint
from batches.services.retention.holds import place_hold, release_hold
from batches.services.retention.terms import set_terms, terms
from batches.services.upkeep.budget import Budget
from batches.services.upkeep.old_batches import remove_old_batches
from batches.services.upkeep.overdue import overdue
from batches.services.upkeep.prune import prune
from batches.services.upkeep.retention import remove_old_deliveries
from batches.services.webhooks import endpoints
from tests.cast import TESTER
from tests.services.upkeep.conftest import long_ago
from tests.webhooks import make_delivery, make_endpoint

pytestmark = [pytest.mark.both, pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

DAY = timedelta(days=1)
DELIVERED, GIVEN_UP, WAITING = DeliveryStatus.DELIVERED, DeliveryStatus.GIVEN_UP, DeliveryStatus.WAITING


@pytest.fixture
def endpoint(project: Project) -> WebhookEndpoint:
    return make_endpoint(project)


def aged(
    endpoint: WebhookEndpoint, days: int, *, status: DeliveryStatus = DELIVERED, batch: Batch | None = None
) -> WebhookDelivery:
    """A delivery that was made and last tried so many days ago."""
    then = timezone.now() - days * DAY
    times = {"created_at": then, "sent_at": then, "delivered_at": then if status is DELIVERED else None}
    return make_delivery(endpoint, batch=batch, status=status, **times)


def keep(project: Project, days: int) -> None:
    set_terms(project, days={RetentionKind.DELIVERIES: days}, actor=TESTER, now=timezone.now())


def kept() -> set[WebhookDelivery]:
    return {*WebhookDelivery.objects.all()}


def test_without_a_policy_the_setting_of_the_portal_says_how_long(endpoint: WebhookEndpoint, settings: Settings) -> None:
    _, younger, young = (aged(endpoint, days) for days in (31, 29, 6))
    prune(now=timezone.now())
    assert kept() == {younger, young}
    settings.WEBHOOK_LOG_DAYS = 7
    prune(now=timezone.now())
    assert kept() == {young}
    assert WebhookEndpoint.objects.get() == endpoint
    term = next(term for term in terms(endpoint.project) if term.kind is RetentionKind.DELIVERIES)
    assert (term.days, term.source) == (7, "the portal (WEBHOOK_LOG_DAYS)")


def test_each_project_has_a_policy_of_its_own(endpoint: WebhookEndpoint, project: Project, other_project: Project) -> None:
    other = make_endpoint(other_project)
    for one in (endpoint, other):
        for days in (3, 20, 40):
            aged(one, days)
    keep(project, 10)
    keep(other_project, 60)
    prune(now=timezone.now())
    assert WebhookDelivery.objects.filter(project=project).count() == 1
    assert WebhookDelivery.objects.filter(project=other_project).count() == 3


def test_the_days_count_from_the_last_try(endpoint: WebhookEndpoint, project: Project) -> None:
    keep(project, 5)
    late = aged(endpoint, 8, status=GIVEN_UP)
    WebhookDelivery.objects.filter(pk=late.pk).update(sent_at=timezone.now() - 4 * DAY)
    aged(endpoint, 8, status=GIVEN_UP)
    prune(now=timezone.now())
    assert kept() == {late}
    prune(now=timezone.now() + 2 * DAY)
    assert kept() == set()


def test_a_delivery_that_is_still_due_stays_however_old_it_is(endpoint: WebhookEndpoint, project: Project) -> None:
    keep(project, 1)
    due = aged(endpoint, 400, status=WAITING)
    prune(now=timezone.now())
    assert kept() == {due}


def test_a_delivery_that_is_being_sent_stays(endpoint: WebhookEndpoint, project: Project) -> None:
    keep(project, 1)
    sent = aged(endpoint, 400, status=WAITING)
    lease = timezone.now() + timedelta(minutes=1)
    WebhookDelivery.objects.filter(pk=sent.pk).update(due_at=None, lease_expires_at=lease)
    prune(now=timezone.now())
    assert kept() == {sent}


def test_what_waits_for_a_disabled_endpoint_stays_as_long_as_it_would_have_been_tried(
    endpoint: WebhookEndpoint, project: Project, settings: Settings
) -> None:
    settings.WEBHOOK_RETRY_HOURS = 72.0
    keep(project, 1)
    _, fresh = (aged(endpoint, days, status=WAITING) for days in (4, 2))
    endpoints.disable(endpoint, reason="It is broken.", actor=TESTER, now=timezone.now())
    prune(now=timezone.now())
    assert kept() == {fresh}


def test_what_belongs_to_an_endpoint_that_is_gone_goes_too(endpoint: WebhookEndpoint, project: Project) -> None:
    keep(project, 1)
    orphan = aged(endpoint, 2, status=WAITING)
    other = make_endpoint(project)
    WebhookDelivery.objects.filter(pk=orphan.pk).update(endpoint=other)
    WebhookEndpoint.objects.filter(pk=other.pk)._raw_delete("default")
    prune(now=timezone.now())
    assert kept() == set()


def test_an_old_batch_stays_until_its_receivers_were_told_or_given_up(
    endpoint: WebhookEndpoint, batch: Batch, settings: Settings
) -> None:
    settings.BATCH_RETENTION_DAYS, settings.WEBHOOK_RETRY_HOURS = 1, 72.0
    long_ago(batch, 2)
    WebhookDelivery.objects.update(created_at=timezone.now() - 2 * DAY)
    assert remove_old_batches(now=timezone.now()) == 0
    assert [item.reason for item in overdue(batch.project, now=timezone.now())] == ["A webhook of it is still due."]

    endpoints.disable(endpoint, reason="It is broken.", actor=TESTER, now=timezone.now())
    assert remove_old_batches(now=timezone.now()) == 1
    assert kept() == set()


class LookedAway(Budget):
    """A budget that lets somebody enable an endpoint after old deliveries were read, and before they are deleted."""

    def __init__(self, endpoint: WebhookEndpoint) -> None:
        super().__init__(60)
        self._endpoint = endpoint

    @contextmanager
    def piece(self) -> Iterator[None]:
        endpoints.change(self._endpoint, settings={"enabled": True}, actor=TESTER, now=timezone.now())
        yield


def test_a_delivery_that_becomes_due_again_meanwhile_stays(endpoint: WebhookEndpoint, project: Project) -> None:
    waiting = aged(endpoint, 40, status=WAITING)
    aged(endpoint, 40)
    endpoints.disable(endpoint, reason="It is broken.", actor=TESTER, now=timezone.now())
    remove_old_deliveries(now=timezone.now(), budget=LookedAway(endpoint))
    assert kept() == {waiting}


def test_a_large_log_goes_in_small_pieces_and_within_its_time(
    endpoint: WebhookEndpoint, project: Project, settings: Settings
) -> None:
    settings.PRUNE_ROWS, settings.PRUNE_PAUSE = 4, 0.0
    for _ in range(10):
        aged(endpoint, 40)
    with CaptureQueriesContext(connection) as captured:
        remove_old_deliveries(now=timezone.now())
    assert [query["sql"].startswith("DELETE") for query in captured.captured_queries].count(True) == 3
    assert kept() == set()
    left = aged(endpoint, 40)
    remove_old_deliveries(now=timezone.now(), budget=Budget(0))
    assert kept() == {left}


@pytest.mark.parametrize("whole", [True, False], ids=["project", "batch"])
def test_a_legal_hold_keeps_deliveries_and_the_page_says_so(endpoint: WebhookEndpoint, batch: Batch, whole: bool) -> None:
    now = timezone.now()
    WebhookDelivery.objects.all().delete()  # the one of the end of the batch is still due
    held, of_none = aged(endpoint, 40, batch=batch), aged(endpoint, 40)
    hold = place_hold(batch.project, batch=None if whole else batch, reason="A lawsuit.", actor=TESTER, now=now)

    remove_old_deliveries(now=now)

    assert kept() == ({held, of_none} if whole else {held})
    found = next(item for item in overdue(batch.project, now=now) if item.kind is RetentionKind.DELIVERIES)
    assert (found.count, "legal hold: A lawsuit." in found.reason) == (len(kept()), True)

    release_hold(hold, reason="It is settled.", actor=TESTER, now=now)
    remove_old_deliveries(now=now)
    assert kept() == set()
    assert overdue(batch.project, now=now) == []
