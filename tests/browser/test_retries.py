"""Retrying what is worth it, in a browser: as few clicks as it takes, and what comes of it where one began."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from batches.models import Batch, Project
from tests.browser.eyes import findings
from tests.cast import request_lines, started
from tests.conftest import Portal
from tests.rounds import at, child_of, completed, validated

pytestmark = [pytest.mark.once, pytest.mark.long, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def nightly(project: Project, settings: Settings) -> Batch:
    """Twenty requests, of which five came too late and three were refused."""
    settings.SLICE_LINES = 10
    return completed(started(project, request_lines(20), remark="Nightly"), odd={1, 2, 3}, late={4, 5, 6, 7, 8})


def test_what_is_worth_it_is_retried_in_three_clicks(desk: Page, portal: Portal, nightly: Batch) -> None:
    """Batch, retry, send: three clicks. The parent then says what came of it."""
    desk.reload()
    desk.get_by_role("link", name="Nightly").click()
    desk.get_by_role("link", name="Retry the 5 worth retrying…").click()
    expect(desk.get_by_role("heading", name="Send 5 requests again?")).to_be_visible()
    desk.get_by_role("button", name="Send 5 again").click()
    expect(desk.get_by_text("This batch sends 5 requests again.")).to_be_visible()
    expect(desk.get_by_role("heading", name="Retry 1 of Nightly: 5 timed-out requests")).to_be_visible()

    completed(validated(Batch.objects.get(parent=nightly)), late={1})
    desk.get_by_role("link", name="Nightly", exact=True).first.click()
    expect(desk.get_by_text("16 of 20 after retries.")).to_be_visible()


def test_what_was_retried_is_read_at_every_width_and_in_both_schemes(desk: Page, portal: Portal, nightly: Batch) -> None:
    completed(child_of(nightly, at(4, 5)))
    own = f"{portal.url}/console/batches/{nightly}/"
    assert findings(desk, [own, f"{own}retry/", f"{own}retry/?worth=yes", f"{own}lines/4/"]) == []


def test_one_sees_in_three_clicks_why_requests_failed(desk: Page, portal: Portal, nightly: Batch) -> None:
    """Batch, group, request: the reason in words, and the answer."""
    desk.reload()
    desk.get_by_role("link", name="Nightly").click()
    desk.get_by_role("link", name="5 requests").click()
    desk.get_by_role("link", name="row-4", exact=True).click()
    expect(desk.get_by_role("paragraph").filter(has_text="Too late.")).to_be_visible()
