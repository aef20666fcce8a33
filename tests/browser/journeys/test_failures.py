"""The morning after: why requests failed, what is worth a retry, what is taken out, and how two runs differ."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings

from batches.models import Batch, BatchResult, Membership, Project, Role
from tests.browser.journeys.hand import Hand
from tests.cast import request_lines, started
from tests.conftest import Portal
from tests.console.conftest import MakeBatch
from tests.rounds import completed, validated

pytestmark = [pytest.mark.once, pytest.mark.long]


@pytest.fixture
def nightly(project: Project, simulator: object, settings: Settings) -> Batch:
    """Twenty requests, of which five came too late and three were refused."""
    settings.SLICE_LINES = 10
    return completed(started(project, request_lines(20), remark="Nightly"), odd={1, 2, 3}, late={4, 5, 6, 7, 8})


def test_why_requests_failed(desk: Page, overview: str, nightly: Batch, hand: Hand) -> None:
    """Batch, group, request: the reason in words, and the answer."""
    hand.start(overview)
    hand.click(desk.get_by_role("link", name="Nightly", exact=True).first)
    hand.click(desk.get_by_role("link", name="5 requests"))
    hand.click(desk.get_by_role("link", name="row-4", exact=True))
    expect(desk.get_by_role("paragraph").filter(has_text="Too late.")).to_be_visible()
    hand.must_have_taken("Why did requests fail, down to one answer?")


def test_why_requests_failed_is_seen_by_a_viewer_without_scripts(
    browser: Browser, portal: Portal, project: Project, nightly: Batch
) -> None:
    person = User.objects.create_user("viewer", password="viewer")
    Membership.objects.create(user=person, project=project, role=Role.VIEWER)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{portal.url}/console/batches/")
    page.get_by_label("User name").fill("viewer")
    page.get_by_label("Password").fill("viewer")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/batches/")
    hand = Hand(page)
    hand.start(page.url)
    hand.click(page.get_by_role("link", name="Nightly", exact=True).first)
    expect(page.get_by_role("link", name="Retry")).to_have_count(0)
    hand.click(page.get_by_role("link", name="5 requests"))
    hand.click(page.get_by_role("link", name="row-4", exact=True))
    expect(page.get_by_role("paragraph").filter(has_text="Too late.")).to_be_visible()
    hand.must_have_taken("Without scripts, as a viewer: why did requests fail?")
    context.close()


def test_what_is_worth_it_is_retried(desk: Page, overview: str, nightly: Batch, hand: Hand) -> None:
    """Batch, retry, send. The parent then says what came of it."""
    hand.start(overview)
    hand.click(desk.get_by_role("link", name="Nightly", exact=True).first)
    hand.click(desk.get_by_role("link", name="Retry the 5 worth retrying…"))
    expect(desk.get_by_role("heading", name="Send 5 requests again?")).to_be_visible()
    hand.click(desk.get_by_role("button", name="Send 5 again"))
    expect(desk.get_by_role("heading", name="Retry 1 of Nightly: 5 timed-out requests")).to_be_visible()
    expect(desk.get_by_text("This batch sends 5 requests again.")).to_be_visible()
    hand.must_have_taken("Retry only what is worth it")

    completed(validated(Batch.objects.get(parent=nightly)), late={1})
    desk.get_by_role("link", name="Nightly", exact=True).first.click()
    expect(desk.get_by_text("16 of 20 after retries.")).to_be_visible()


def test_failures_are_taken_out_as_csv(desk: Page, portal: Portal, nightly: Batch, hand: Hand) -> None:
    hand.start(f"{portal.url}/console/batches/{nightly}/")
    hand.click(desk.locator("summary", has_text="Download"))
    with desk.expect_download() as download:
        hand.click(desk.get_by_role("link", name="CSV of Failures", exact=True))
    hand.must_have_taken("Take out the failures as CSV")
    assert download.value.suggested_filename == f"{nightly}_failures.csv"
    assert Path(download.value.path()).read_text(encoding="utf-8-sig").count("Too late.") == 5


def test_two_runs_are_compared(desk: Page, portal: Portal, make_batch: MakeBatch, hand: Hand) -> None:
    """O11."""
    first = make_batch(succeeded=4, failed=1, remark="Before", body='{"id": "1", "colour": "red"}')
    second = make_batch(succeeded=5, remark="After", body='{"id": "2", "colour": "red"}')
    BatchResult.objects.filter(batch=second, line=3).update(body='{"colour": "blue"}')
    hand.start(f"{portal.url}/console/batches/")
    hand.click(desk.get_by_label(f"Select {second}"))
    hand.click(desk.get_by_label(f"Select {first}"))
    hand.click(desk.get_by_role("button", name="Compare two"))
    expect(desk.get_by_text("75 % of the answers match: 3 of 4 compared.")).to_be_visible()
    hand.must_have_taken("Compare two runs")

    desk.get_by_role("link", name="Show answers that differ").click()
    expect(desk.locator("[data-row]")).to_have_text(re.compile("a-3.*Differs.*colour", re.DOTALL))
    desk.locator("summary", has_text="Download").click()
    with desk.expect_download() as download:
        desk.get_by_role("link", name="CSV of Every pair", exact=True).click()
    assert Path(download.value.path()).read_text(encoding="utf-8-sig").count("same") == 3
