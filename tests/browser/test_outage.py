"""What an operator does in an outage, in as few steps as there may be: counted in clicks."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from batches.models import Batch, BulkOperation, ProviderHealth
from batches.rules.states import BatchStatus
from batches.services.bulk.run import run
from providers.models import Provider
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = [pytest.mark.once, pytest.mark.long]


class Clicks:
    """Clicks, with their number."""

    def __init__(self) -> None:
        self.count = 0

    def on(self, target: Locator) -> None:
        self.count += 1
        target.click()


def test_the_batches_of_a_provider_that_is_down_are_moved_in_four_clicks(
    desk: Page, portal: Portal, simulator: Provider, make_batch: MakeBatch
) -> None:
    now, clicks = timezone.now(), Clicks()
    for number in range(12):
        make_batch(BatchStatus.IN_PROGRESS, remark=f"Nightly {number}", pending=2)
    standby = Provider.objects.create(name="up-standby", adapter="simulator")
    Provider.objects.create(name="another", adapter="simulator")
    Provider.objects.filter(pk=simulator.pk).update(standby=standby)
    until = now + timedelta(minutes=5)
    ProviderHealth.objects.create(provider=simulator, concurrency=1, breaker="open", breaker_until=until, updated_at=now)
    desk.goto(f"{portal.url}/console/overview/")
    clicks.on(desk.get_by_role("link", name="simulator").first)
    expect(desk.get_by_label("Move them to")).to_have_value("up-standby")
    clicks.on(desk.get_by_role("button", name="Move…"))
    expect(desk.get_by_role("heading", name="Move 12 batches to up-standby?")).to_be_visible()
    expect(desk.get_by_text("24 remaining requests will be sent to up-standby.")).to_be_visible()
    desk.get_by_label("Why?").fill("simulator is down")
    clicks.on(desk.get_by_role("button", name="Move 12 batches to up-standby"))
    expect(desk.get_by_text("12 batches are being moved to up-standby.")).to_be_visible()
    assert clicks.count <= 4
    run(BulkOperation.objects.get().pk, now=timezone.now())
    assert not Batch.objects.exclude(provider=standby).exists()


def test_forty_batches_of_last_night_are_cancelled_in_five_clicks(desk: Page, portal: Portal, make_batch: MakeBatch) -> None:
    clicks, midnight = Clicks(), timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(40):
        make_batch(BatchStatus.IN_PROGRESS, remark=f"Nightly {number}", pending=1, created_at=midnight)
    make_batch(BatchStatus.IN_PROGRESS, remark="Of another day", pending=1, created_at=midnight - timedelta(days=2))
    desk.goto(f"{portal.url}/console/overview/")
    clicks.on(desk.get_by_role("link", name="Batches", exact=True))
    clicks.on(desk.get_by_role("link", name="Last night", exact=True))
    clicks.on(desk.get_by_label("Select this page"))
    clicks.on(desk.get_by_role("button", name="Cancel…"))
    desk.get_by_label("Why?").fill("A wrong prompt")
    clicks.on(desk.get_by_role("button", name="Cancel 40 batches"))
    expect(desk.get_by_text("40 batches are being cancelled.")).to_be_visible()
    assert clicks.count <= 5
