"""From what needs attention to the batch, and what is done about it there."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from batches.models import Batch, BatchMinute
from batches.rules.states import BatchStatus
from providers.models import Provider
from tests.browser.conftest import sign_in
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, remark="Nightly run", succeeded=2, failed=1, pending=3)


def test_the_overview_follows_what_happens(desk: Page, portal: Portal, batch: Batch) -> None:
    desk.goto(f"{portal.url}/console/overview/")
    expect(desk.locator("#attention")).to_contain_text("Failing")
    desk.evaluate("window.sameDocument = true")
    Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now(), paused_by="user ops")
    BatchMinute.objects.create(batch=batch, minute=timezone.now().replace(second=0, microsecond=0), succeeded=1234)
    expect(desk.locator("#attention")).to_contain_text("Paused")
    expect(desk.locator("#numbers")).to_contain_text("1,234")
    expect(desk.get_by_role("img", name="Requests a minute: 1,234 succeeded")).to_be_visible()
    assert desk.evaluate("window.sameDocument") is True


def test_a_chart_can_be_read_as_a_table_which_holds_still_meanwhile(desk: Page, portal: Portal, batch: Batch) -> None:
    BatchMinute.objects.create(batch=batch, minute=timezone.now().replace(second=0, microsecond=0), failed=7)
    desk.goto(f"{portal.url}/console/overview/?span=24h")
    desk.get_by_text("As a table").first.click()
    expect(desk.get_by_role("table", name="Requests an hour").get_by_role("cell", name="7", exact=True)).to_be_visible()
    expect(desk.locator("[data-live-note]")).to_contain_text("paused")


def test_by_keyboard_from_the_overview_to_a_pause_and_back(desk: Page, portal: Portal, batch: Batch) -> None:
    desk.keyboard.press("g")
    desk.keyboard.press("o")
    desk.wait_for_url("**/console/overview/")
    desk.locator("#attention").get_by_role("link", name="Nightly run").first.focus()
    desk.keyboard.press("Enter")
    desk.wait_for_url(f"**/batches/{batch}/")
    desk.get_by_role("link", name="Pause…").focus()
    desk.keyboard.press("Enter")
    desk.get_by_label("Why?").focus()
    desk.keyboard.type("The key is wrong.")
    desk.keyboard.press("Tab")
    desk.keyboard.press("Tab")
    desk.keyboard.press("Enter")
    expect(desk.get_by_text("Batch paused.")).to_be_visible()
    expect(desk.locator("#summary")).to_contain_text("Paused by user operator. The key is wrong.")
    expect(desk.get_by_role("link", name="Resume…")).to_be_visible()


def test_a_batch_is_changed_without_scripts(browser: Browser, portal: Portal, operator: User, batch: Batch) -> None:
    Provider.objects.create(name="other", adapter="simulator")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, portal)
    for act, field, value, said in (
        ("Priority…", "Priority", "7", "Priority changed to 7."),
        ("Move…", "Provider", "other", "Moved to other: 3 remaining requests will be sent there."),
        ("Guards…", "Pause above this many tokens", "5000", "Guards changed."),
    ):
        page.goto(f"{portal.url}/console/batches/{batch}/")
        page.get_by_text("Change", exact=True).click()
        page.get_by_role("link", name=act).click()
        found = page.get_by_label(field, exact=True)
        if act == "Move…":
            found.select_option(value)
        else:
            found.fill(value)
        page.get_by_role("button", name="the").click()
        expect(page.get_by_text(said)).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("Tokens above 5,000")
    batch.refresh_from_db()
    assert (batch.priority, batch.provider.name) == (7, "other")
    context.close()


def test_each_dialects_document_and_the_history_are_a_tab_away(desk: Page, portal: Portal, batch: Batch) -> None:
    desk.goto(f"{portal.url}/console/batches/{batch}/")
    desk.get_by_role("link", name="As clients see it").click()
    expect(desk.get_by_label("Answer")).to_contain_text('"object": "batch"')
    desk.get_by_role("link", name="Anthropic").click()
    expect(desk.get_by_text("It shows batches of /v1/messages only.")).to_be_visible()
    desk.get_by_role("link", name="History").click()
    expect(desk.get_by_role("heading", name="Views and refusals")).to_be_visible()


def test_a_providers_connection_is_checked_from_its_page(desk: Page, portal: Portal, batch: Batch) -> None:
    desk.keyboard.press("g")
    desk.keyboard.press("p")
    desk.get_by_role("link", name="simulator", exact=True).click()
    expect(desk.get_by_role("link", name="Nightly run")).to_be_visible()
    desk.get_by_role("button", name="Test now").click()
    expect(desk.get_by_text("Connection of simulator checked:")).to_be_visible()
