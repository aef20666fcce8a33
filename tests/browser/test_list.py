"""The list of batches in a browser: by mouse, by keyboard alone, on a phone, without scripts."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from batches.models import Batch, SavedView
from batches.rules.states import BatchStatus
from tests.browser.conftest import sign_in
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once


@pytest.fixture
def batches(make_batch: MakeBatch) -> list[Batch]:
    return [
        make_batch(BatchStatus.IN_PROGRESS, remark="Runs", succeeded=2, pending=3),
        make_batch(remark="Done", succeeded=3),
        make_batch(remark="Partial", succeeded=2, failed=3, metadata={"team": "search"}),
    ]


def open_list(desk: Page, portal: Portal, query: str = "") -> None:
    desk.goto(f"{portal.url}/console/batches/{query}")


def test_a_view_is_saved_changed_updated_and_deleted(desk: Page, portal: Portal, batches: list[Batch]) -> None:
    open_list(desk, portal, "?status=completed")
    desk.get_by_role("link", name="Save view…").click()
    desk.get_by_label("Name").fill("Finished")
    desk.get_by_label("Open my list with this view").check()
    desk.get_by_role("button", name="Save", exact=True).click()
    views = desk.get_by_role("navigation", name="Views")
    expect(views.get_by_role("link", name="Finished")).to_have_attribute("aria-current", "page")
    expect(desk.locator("[data-row]")).to_have_count(2)

    desk.get_by_role("row", name="Partial").get_by_title("Only this pair").or_(
        desk.get_by_role("row", name="Partial").get_by_title("Only this project")
    ).first.click()
    expect(views.get_by_role("link", name="Finished modified")).to_be_visible()
    desk.get_by_role("button", name="Update “Finished”").click()
    expect(desk.get_by_text("View “Finished” changed.")).to_be_visible()
    assert SavedView.objects.get().query == "status=completed&project=acme"

    open_list(desk, portal)
    expect(desk).to_have_url(re.compile("saved=finished"))
    desk.get_by_role("link", name="Rename or share…").click()
    desk.get_by_text("Delete this view").click()
    desk.get_by_role("button", name="Delete the view").click()
    expect(desk.get_by_role("heading", name="No saved views yet")).to_be_visible()


def test_enter_in_the_name_of_a_view_saves_it(desk: Page, portal: Portal, batches: list[Batch]) -> None:
    open_list(desk, portal, "?status=completed")
    desk.get_by_role("link", name="Save view…").click()
    desk.get_by_label("Name").fill("Finished")
    desk.keyboard.press("Enter")
    desk.get_by_role("link", name="Rename or share…").click()
    desk.get_by_label("Name").fill("Ended")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("navigation", name="Views").get_by_role("link", name="Ended")).to_be_visible()


def test_columns_and_order_are_chosen_and_stay_in_the_address(desk: Page, portal: Portal, batches: list[Batch]) -> None:
    open_list(desk, portal)
    desk.get_by_text("Display", exact=True).click()
    desk.get_by_label("Metadata").last.check()
    desk.get_by_label("Provider").last.uncheck()
    desk.get_by_label("Sorted by").select_option("Created, earliest first")
    desk.get_by_role("button", name="Apply").last.click()
    expect(desk).to_have_url(re.compile(r"/batches/\?columns=status%2Cprogress%2Cproject%2Cmodel%2Ctags%2Ccreated&sort=created$"))
    expect(desk.locator(".title").first).to_have_text("Runs")
    expect(desk.get_by_role("columnheader", name="Provider")).to_have_count(0)
    desk.get_by_role("link", name="team: search").click()
    expect(desk.locator(".chips")).to_contain_text("metadata.team is search")
    desk.get_by_role("columnheader", name="Created").get_by_role("link").click()
    expect(desk.get_by_role("columnheader", name="Created")).to_have_attribute("aria-sort", "descending")


@pytest.mark.parametrize("form", ["CSV, for spreadsheets", "JSON lines"])
def test_the_list_is_exported_as_it_is_filtered(desk: Page, portal: Portal, batches: list[Batch], form: str) -> None:
    open_list(desk, portal, "?status=completed")
    desk.get_by_text("Export", exact=True).click()
    with desk.expect_download() as download:
        desk.get_by_role("link", name=form).click()
    text = Path(download.value.path()).read_text()
    assert [str(batch) in text for batch in batches] == [False, True, True]


def test_by_keyboard_alone_a_batch_is_found_opened_and_left(desk: Page, portal: Portal, batches: list[Batch]) -> None:
    open_list(desk, portal)
    desk.keyboard.press("/")
    desk.keyboard.type("done")
    desk.keyboard.press("Enter")
    expect(desk.locator("[data-row]")).to_have_count(1)
    desk.keyboard.press("j")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="Done")).to_be_visible()
    desk.keyboard.press("g")
    desk.keyboard.press("b")
    expect(desk.get_by_role("heading", name="Batches")).to_be_visible()
    expect(desk.locator("[data-row]")).to_have_count(3)


def test_the_focus_stays_where_it_was_when_the_list_changes(desk: Page, portal: Portal, batches: list[Batch]) -> None:
    open_list(desk, portal)
    link = desk.locator(f"#row-{batches[0].id.hex}").get_by_title("Only this project")
    link.focus()
    Batch.objects.filter(pk=batches[0].pk).update(remark="Renamed")
    expect(desk.get_by_role("link", name="Renamed")).to_be_visible()
    expect(link).to_be_focused()


def test_times_are_in_utc_or_in_local_time_and_say_so(
    browser: Browser, portal: Portal, operator: User, make_batch: MakeBatch
) -> None:
    batch = make_batch(remark="Done", succeeded=1)
    context = browser.new_context(timezone_id="Asia/Kathmandu")
    page = context.new_page()
    sign_in(page, portal)
    created = page.locator("[data-row] time").last
    expect(created).to_have_attribute("title", f"{batch.created_at:%Y-%m-%d %H:%M:%S} UTC")
    page.get_by_role("button", name="Times in UTC").click()
    expect(created).to_have_attribute("title", re.compile(r"\+0545$"))
    expect(page.get_by_role("button", name="Times in +0545")).to_be_visible()
    page.get_by_role("button", name="Times in +0545").click()
    expect(page.get_by_role("button", name="Times in UTC")).to_be_visible()
    context.close()


def test_on_a_phone_rows_are_cards_and_everything_is_in_reach(desk: Page, portal: Portal, batches: list[Batch]) -> None:
    desk.set_viewport_size({"width": 320, "height": 640})
    open_list(desk, portal)
    expect(desk.get_by_role("columnheader", name="Status")).to_be_hidden()
    card = desk.locator("[data-row]").first.bounding_box()
    assert card is not None
    assert card["x"] >= 0
    assert card["x"] + card["width"] <= 320
    desk.get_by_text("Filter", exact=True).click()
    desk.get_by_label("In progress").check()
    desk.get_by_role("button", name="Apply").first.click()
    expect(desk.locator("[data-row]")).to_have_count(1)
    desk.get_by_role("link", name="Runs").click()
    expect(desk.get_by_role("heading", name="Runs")).to_be_visible()


def test_the_list_is_filtered_sorted_saved_and_exported_without_scripts(
    browser: Browser, portal: Portal, operator: User, batches: list[Batch]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, portal)
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Completed", exact=True).check()
    page.get_by_label("Metadata").first.fill("team=search")
    page.get_by_role("button", name="Apply").first.click()
    expect(page).to_have_url(f"{portal.url}/console/batches/?status=completed&metadata.team=search")
    expect(page.locator("[data-row]")).to_have_count(1)
    page.get_by_role("link", name="Save view…").click()
    page.get_by_label("Name").fill("Search")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Created").click()
    expect(page.get_by_role("columnheader", name="Created")).to_have_attribute("aria-sort", "ascending")
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON lines").click()
    assert str(batches[2]) in Path(download.value.path()).read_text()
    context.close()
