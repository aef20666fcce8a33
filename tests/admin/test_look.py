"""The admin in a browser: nothing that its security policy refuses, in the console's colours, readable."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import ConsoleMessage, Page, expect

from batches.models import BulkOperation, Project
from batches.rules.states import BatchStatus
from batches.services.bulk.run import run
from providers.models import Provider
from tests.admin.conftest import MakeBatch
from tests.browser.conftest import sign_in
from tests.browser.eyes import SCHEMES, TOO_FAINT
from tests.conftest import Portal

pytestmark = pytest.mark.once

PATHS = ["", "batches/batch/", "batches/batch/?q=x", "batches/apikey/add/", "batches/auditentry/", "providers/provider/add/"]


@pytest.fixture
def desk(page: Page, portal: Portal, operator: User) -> Iterator[Page]:
    """A window in which `operator` is signed in; whatever a page is refused fails the test."""
    refused: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            refused.append(message.text)

    page.on("console", note)
    sign_in(page, portal)
    yield page
    assert not refused, refused


def test_every_page_keeps_to_the_policy_is_readable_and_no_wider_than_its_window(
    desk: Page, portal: Portal, make_batch: MakeBatch
) -> None:
    make_batch(succeeded=1, failed=1)
    faint, wide = {}, []
    for path in PATHS:
        desk.goto(f"{portal.url}/admin/{path}")
        for scheme in SCHEMES:
            desk.emulate_media(color_scheme=scheme)
            if found := desk.evaluate(TOO_FAINT):
                faint[path, scheme] = found
        for width in (320, 1024, 1280):
            desk.set_viewport_size({"width": width, "height": 800})
            if desk.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                wide.append((path, width))
    assert (faint, wide) == ({}, [])


def test_the_colours_that_were_chosen_hold_here_too(desk: Page, portal: Portal) -> None:
    desk.get_by_role("button", name="Dark").click()
    desk.goto(f"{portal.url}/admin/")
    expect(desk.locator("html")).to_have_attribute("data-theme", "dark")
    expect(desk.locator("body")).to_have_css("background-color", "rgb(15, 18, 22)")
    desk.get_by_role("button", name="Light", exact=True).click()
    expect(desk.locator("body")).to_have_css("background-color", "rgb(246, 247, 249)")
    desk.goto(f"{portal.url}/console/batches/")
    expect(desk.locator("html")).to_have_attribute("data-theme", "light")


def test_a_project_is_found_by_typing_and_gets_a_key(desk: Page, portal: Portal, project: Project) -> None:
    desk.goto(f"{portal.url}/admin/batches/apikey/add/")
    desk.locator(".select2-selection").click()
    desk.locator(".select2-search__field").fill("ac")
    desk.get_by_role("option", name="acme").click()
    desk.get_by_label("Name").fill("mobile-app")
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.locator(".issued code")).to_contain_text("by_")


def test_batches_are_cancelled_with_a_reason(desk: Page, portal: Portal, make_batch: MakeBatch, simulator: Provider) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    desk.goto(f"{portal.url}/admin/batches/batch/")
    desk.locator(".action-select").first.check()
    desk.get_by_label("Action:").select_option("cancel")
    desk.get_by_role("button", name="Go").click()
    expect(desk.get_by_role("heading", name="Cancel 1 batch")).to_be_visible()
    desk.get_by_label("Reason").fill("A wrong prompt")
    desk.get_by_role("button", name="Cancel 1 batch").click()
    expect(desk.locator(".messagelist .success")).to_contain_text("1 batch is being cancelled")
    run(BulkOperation.objects.get().pk, now=timezone.now())
    batch.refresh_from_db()
    assert batch.status == BatchStatus.CANCELLING
