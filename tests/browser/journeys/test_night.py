"""Woken at night: whom it touches, what is moved and cancelled, when it ends, and who did what."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from batches.models import Batch, BatchMinute, BatchObject, BulkOperation, ProviderHealth
from batches.rules.actors import Actor
from batches.rules.states import BatchStatus, Source
from batches.services.bulk.run import run
from batches.services.control.cancel import cancel
from providers.models import Provider
from tests.browser.journeys.hand import Hand
from tests.console.conftest import MakeBatch

pytestmark = [pytest.mark.once, pytest.mark.long]


def test_the_batches_of_a_provider_that_is_down_are_moved(
    desk: Page, overview: str, simulator: Provider, make_batch: MakeBatch, hand: Hand
) -> None:
    now = timezone.now()
    for number in range(12):
        make_batch(BatchStatus.IN_PROGRESS, remark=f"Nightly {number}", pending=2)
    standby = Provider.objects.create(name="up-standby", adapter="simulator")
    Provider.objects.create(name="another", adapter="simulator")
    Provider.objects.filter(pk=simulator.pk).update(standby=standby)
    until = now + timedelta(minutes=5)
    ProviderHealth.objects.create(provider=simulator, concurrency=1, breaker="open", breaker_until=until, updated_at=now)
    hand.start(overview)
    hand.click(desk.get_by_role("link", name="simulator").first)
    expect(desk.get_by_label("Move them to")).to_have_value("up-standby")
    hand.click(desk.get_by_role("button", name="Move…"))
    expect(desk.get_by_role("heading", name="Move 12 batches to up-standby?")).to_be_visible()
    expect(desk.get_by_text("24 remaining requests will be sent to up-standby.")).to_be_visible()
    desk.get_by_label("Why?").fill("simulator is down")
    hand.click(desk.get_by_role("button", name="Move 12 batches to up-standby"))
    expect(desk.get_by_text("12 batches are being moved to up-standby.")).to_be_visible()
    hand.must_have_taken("Move the batches of a provider that is down")
    run(BulkOperation.objects.get().pk, now=timezone.now())
    assert not Batch.objects.exclude(provider=standby).exists()


def test_forty_batches_of_last_night_are_cancelled(desk: Page, overview: str, make_batch: MakeBatch, hand: Hand) -> None:
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(40):
        make_batch(BatchStatus.IN_PROGRESS, remark=f"Nightly {number}", pending=1, created_at=midnight)
    make_batch(BatchStatus.IN_PROGRESS, remark="Of another day", pending=1, created_at=midnight - timedelta(days=2))
    hand.start(overview)
    hand.click(desk.get_by_role("link", name="Batches", exact=True))
    hand.click(desk.get_by_role("link", name="Last night", exact=True))
    hand.click(desk.get_by_label("Select this page"))
    hand.click(desk.get_by_role("button", name="Cancel…"))
    desk.get_by_label("Why?").fill("A wrong prompt")
    hand.click(desk.get_by_role("button", name="Cancel 40 batches"))
    expect(desk.get_by_text("40 batches are being cancelled.")).to_be_visible()
    hand.must_have_taken("Cancel 40 batches of last night, with a reason")
    run(BulkOperation.objects.get().pk, now=timezone.now())
    assert Batch.objects.exclude(status=BatchStatus.CANCELLING).get().remark == "Of another day"


def test_the_request_of_a_custom_id_is_found(desk: Page, overview: str, make_batch: MakeBatch, hand: Hand) -> None:
    """O13."""
    batches = [make_batch(remark=f"Nightly run {number}", succeeded=3, failed=1) for number in range(3)]
    BatchObject.objects.filter(batch=batches[1], line=2).update(custom_id="order-2026-0007")
    hand.start(overview)
    hand.click(desk.get_by_role("search", name="Everything").get_by_role("searchbox"))
    desk.keyboard.type("order-2026-0007")
    hand.press("Enter")
    desk.wait_for_url(f"**/batches/{batches[1]}/lines/2/")
    expect(desk.get_by_role("heading", name="order-2026-0007")).to_be_visible()
    hand.must_have_taken("Find the request of a custom_id")


def test_it_is_seen_when_a_batch_will_be_done(desk: Page, overview: str, make_batch: MakeBatch, hand: Hand) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, remark="Nightly", succeeded=40, pending=20)
    minute = timezone.now().replace(second=0, microsecond=0)
    for ago in range(1, 5):
        BatchMinute.objects.create(batch=batch, minute=minute - timedelta(minutes=ago), succeeded=10)
    hand.start(overview)
    hand.click(desk.get_by_role("link", name="Nightly", exact=True).first)
    expect(desk.locator("#summary")).to_contain_text("Expected end")
    hand.must_have_taken("When will it be done?")


def test_it_is_seen_who_cancelled_and_why(desk: Page, overview: str, make_batch: MakeBatch, hand: Hand) -> None:
    """O15."""
    batch = make_batch(BatchStatus.IN_PROGRESS, remark="Nightly", pending=1)
    cancel(batch, actor=Actor("user anna", Source.CONSOLE), now=timezone.now(), note="A wrong prompt")
    hand.start(overview)
    hand.click(desk.get_by_role("link", name="Nightly", exact=True).first)
    hand.click(desk.get_by_role("link", name="History", exact=True))
    expect(desk.locator("main")).to_contain_text("user anna")
    expect(desk.locator("main")).to_contain_text("A wrong prompt")
    hand.must_have_taken("Who cancelled, and why?")
