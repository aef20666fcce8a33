"""The admin in a browser: nothing that its security policy refuses, in the console's colours, readable."""

from collections.abc import Iterable, Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.utils import timezone
from playwright.sync_api import ConsoleMessage, Page, expect

from batches.models import AuditEntry, Batch, BulkOperation, Project
from batches.rules.states import BatchStatus
from batches.services.bulk.run import run
from providers.models import Provider
from tests.admin.conftest import Furnish, MakeBatch
from tests.browser.conftest import sign_in
from tests.browser.eyes import SCHEMES, Scheme, looked_at
from tests.conftest import Portal

pytestmark = pytest.mark.once

PATHS = ["", "batches/batch/", "batches/apikey/add/", "batches/auditentry/", "providers/provider/add/"]
LOOKS = [(scheme, width) for scheme in SCHEMES for width in (390, 1024, 1360, 1920)]


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


def changed(rows: Iterable[Model]) -> list[str]:
    """The forms of rows."""
    return [f"{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/" for row in rows]


def test_pages_keep_to_the_policy_are_readable_and_cut_no_column(desk: Page, portal: Portal, make_batch: MakeBatch) -> None:
    """O1, O17, O19: at one width; every page at every width belongs to the double run."""
    make_batch(succeeded=1, failed=1)
    assert looked_at(desk, [f"{portal.url}/admin/{path}" for path in PATHS], scheme="light", width=1360) == []


@pytest.mark.long
@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_every_page_is_readable_at_every_width(
    desk: Page, portal: Portal, operator: User, furnish: Furnish, scheme: Scheme, width: int
) -> None:
    """O1, O17, O19"""
    furnish()
    lists = [f"{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry]
    adds = [f"{path}add/" for path in lists if path.split("/")[1] in ("user", "membership", "apikey", "emergencystop", "project")]
    rows = [operator, Project.objects.first(), *Provider.objects.all(), AuditEntry.objects.first(), Batch.objects.first()]
    paths = [*PATHS, "batches/", "batches/batch/?q=x", *lists, *adds, *changed(row for row in rows if row)]
    assert looked_at(desk, [f"{portal.url}/admin/{path}" for path in paths], scheme=scheme, width=width) == []


def test_the_front_page_uses_its_width_and_names_are_whole(desk: Page, portal: Portal) -> None:
    """O1"""
    desk.set_viewport_size({"width": 1360, "height": 800})
    desk.goto(f"{portal.url}/admin/")
    heights = desk.locator(".front .model").evaluate_all("names => names.map((name) => name.getClientRects().length)")
    assert len(heights) > 25
    assert set(heights) == {1}
    assert desk.locator("#content").evaluate("content => content.clientWidth") > 1200


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
