"""A bulk operation from the first tick to the last outcome: by mouse, by keyboard alone, on a phone, without scripts."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings

from batches.models import Batch, BulkOperation
from batches.rules.states import BatchStatus
from batches.services.bulk.run import do_one, run, take
from batches.services.control.cancel import cancel
from tests.browser.conftest import sign_in
from tests.cast import TESTER
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once


@pytest.fixture
def batches(make_batch: MakeBatch) -> list[Batch]:
    """Four that run, and one that has ended."""
    running = [make_batch(BatchStatus.IN_PROGRESS, remark=f"Number {number}", pending=1) for number in range(4)]
    return [*running, make_batch(remark="Over", succeeded=1)]


def the_operation() -> BulkOperation:
    return BulkOperation.objects.all()[0]


def finish() -> None:
    """A worker's turn."""
    run(the_operation().pk, now=timezone.now())


def do_next(operation: BulkOperation) -> None:
    """A worker that does one batch and is then killed."""
    BulkOperation.objects.update(lease_expires_at=None)
    held = take(operation.pk, now=timezone.now())
    assert held is not None
    do_one(held, operation.items.filter(status="pending").order_by("id")[0].pk, now=timezone.now())


def test_batches_are_cancelled_watched_and_looked_into(desk: Page, portal: Portal, batches: list[Batch]) -> None:
    desk.goto(f"{portal.url}/console/batches/?columns=status,progress")
    list_address = desk.url
    desk.get_by_label("Select this page").check()
    desk.get_by_role("button", name="Cancel…").click()
    expect(desk.get_by_role("heading", name="Cancel 4 batches?")).to_be_visible()
    expect(desk.get_by_text("1 already ended")).to_be_visible()
    desk.get_by_label("Why?").fill("A wrong prompt")
    desk.get_by_role("button", name="Cancel 4 batches").click()
    expect(desk).to_have_url(list_address)
    expect(desk.get_by_text("4 batches are being cancelled.")).to_be_visible()
    cancel(batches[0], actor=TESTER, now=timezone.now())

    desk.get_by_role("link", name="Watch the operation").click()
    summary = desk.get_by_role("region", name="State")
    expect(summary).to_contain_text("Waiting")
    do_next(the_operation())
    expect(summary).to_contain_text("1 of 4")
    BulkOperation.objects.update(lease_expires_at=None)
    finish()
    expect(summary).to_contain_text("Done, 1 skipped")
    desk.get_by_role("link", name="Skipped 1").click()
    expect(desk.locator("[data-row]")).to_have_count(1)
    expect(desk.get_by_text("Already being cancelled.")).to_be_visible()
    with desk.expect_download() as download:
        desk.get_by_role("link", name="Outcomes as CSV").click()
    assert "Already being cancelled." in Path(download.value.path()).read_text()


def test_everything_that_matches_is_typed_and_the_rest_cancelled(
    desk: Page, portal: Portal, batches: list[Batch], settings: Settings
) -> None:
    settings.BULK_OPERATION_TYPED_ABOVE = 3
    desk.goto(f"{portal.url}/console/batches/?view=active")
    desk.get_by_label("Select this page").check()
    desk.get_by_label("All 4 that match").check()
    desk.get_by_role("button", name="Pause…").click()
    desk.get_by_label("Why?").fill("Maintenance of the upstream")
    button = desk.get_by_role("button", name="Pause 4 batches")
    button.click()
    expect(desk.get_by_label("Type 4 to confirm")).to_be_focused()
    desk.get_by_label("Type 4 to confirm").fill("4")
    button.click()
    desk.get_by_role("link", name="Watch the operation").click()
    do_next(the_operation())
    expect(desk.get_by_text("1 of 4")).to_be_visible()
    desk.get_by_role("button", name="Cancel the rest").click()
    expect(desk.get_by_text("3 of 4 batches were not reached")).to_be_visible()
    assert Batch.objects.exclude(paused_at=None).count() == 1


def test_what_failed_is_tried_again(desk: Page, portal: Portal, make_batch: MakeBatch, settings: Settings) -> None:
    make_batch(remark="Half", succeeded=1, failed=1)
    settings.PROJECT_MAX_OPEN_BATCHES = 0
    desk.goto(f"{portal.url}/console/bulk/new/?act=retry&scope=matching")
    desk.get_by_label("Why?").fill("The upstream was down")
    desk.get_by_role("button", name="Retry the failures of 1 batch").click()
    finish()
    desk.get_by_role("link", name="Watch the operation").click()
    expect(desk.get_by_text("may have 0 open batches")).to_be_visible()
    settings.PROJECT_MAX_OPEN_BATCHES = None
    desk.get_by_role("button", name="Retry the one that failed").click()
    finish()
    expect(desk.get_by_text("Every batch was acted on.")).to_be_visible()
    desk.get_by_role("link", name="another operation").click()
    expect(desk.get_by_text("Tried again")).to_be_visible()


def test_a_bulk_operation_by_keyboard_alone(desk: Page, portal: Portal, batches: list[Batch]) -> None:
    desk.goto(f"{portal.url}/console/batches/?view=active")
    for key in ("j", "x", "j", "x"):
        desk.keyboard.press(key)
    expect(desk.get_by_text("2 selected")).to_be_visible()
    press_until(desk, "button[value=reprioritise]")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="Reprioritise 2 batches?")).to_be_visible()
    press_until(desk, "[name=priority]")
    desk.keyboard.type("50")
    desk.keyboard.press("Tab")
    desk.keyboard.type("The report goes first")
    desk.keyboard.press("Enter")
    expect(desk.get_by_text("2 batches are being reprioritised.")).to_be_visible()
    finish()
    desk.keyboard.press("g")
    desk.keyboard.press("u")
    desk.wait_for_url("**/console/bulk/")
    desk.keyboard.press("j")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="Reprioritise 2 batches to priority 50")).to_be_visible()
    assert Batch.objects.filter(priority=50).count() == 2


def press_until(desk: Page, selector: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(80):
        desk.keyboard.press("Tab")
        if desk.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not to be reached")


def test_a_bulk_operation_without_scripts(browser: Browser, portal: Portal, operator: User, batches: list[Batch]) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 640})
    page = context.new_page()
    sign_in(page, portal)
    page.goto(f"{portal.url}/console/batches/?view=active")
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_text("Choose 1 to 1,000 batches, or all that match a filter.")).to_be_visible()
    page.get_by_label(f"Select {batches[0]}").check()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_label("Why?").fill("A wrong prompt")
    page.get_by_role("button", name="Cancel 1 batch").click()
    expect(page).to_have_url(re.compile("view=active"))
    finish()
    page.get_by_role("link", name="Watch the operation").click()
    expect(page.get_by_text("Every batch was acted on.")).to_be_visible()
    context.close()
    batches[0].refresh_from_db()
    assert batches[0].status == BatchStatus.CANCELLING
