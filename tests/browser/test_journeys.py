import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connections
from playwright.sync_api import Browser, Page, expect

from batches.models import Batch, File, Project
from providers.models import Provider
from tests.browser.conftest import sign_in
from tests.conftest import Portal, Queue

pytestmark = pytest.mark.once

LONG_AGO = re.compile(r"Updated ([5-9]|\d\d) s ago · paused while you type")  # more than one poll


def start_batch(page: Page, requests_file: Path, *, remark: str) -> Batch:
    """Fill in the form and send it."""
    page.get_by_role("link", name="New batch").click()
    page.get_by_label("Input file").set_input_files(requests_file)
    page.get_by_label("Remark").fill(remark)
    page.get_by_role("button", name="Check the input").click()
    expect(page.get_by_role("heading", name="Ready to start")).to_be_visible()
    page.get_by_role("button", name="Start the batch").click()
    expect(page.get_by_role("heading", name=remark)).to_be_visible()
    return Batch.objects.get(remark=remark)


def finish(batch: Batch, queue: Queue) -> None:
    """Let the engine run until the batch has ended: in a thread of its own, for this one has Playwright's event loop."""

    def run() -> None:
        try:
            queue.run_until(lambda: Batch.objects.get(pk=batch.pk).is_terminal)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(run).result()


def test_a_batch_is_started_watched_to_its_end_explained_and_downloaded(desk: Page, queue: Queue, requests_file: Path) -> None:
    batch = start_batch(desk, requests_file, remark="Say it")
    expect(desk.locator("#summary .badge")).to_have_text("Validating")
    desk.evaluate("window.sameDocument = true")

    finish(batch, queue)
    expect(desk.locator("#summary .badge")).to_have_text("Completed with 1 failed")
    expect(desk.locator("#summary")).to_contain_text("4 of 4 · 1 failed")
    assert desk.evaluate("window.sameDocument") is True

    with desk.expect_download() as download:
        desk.get_by_role("link", name="Download Output").click()
    assert download.value.suggested_filename == f"{batch}_output.jsonl"
    assert len(Path(download.value.path()).read_text().splitlines()) == 3

    desk.get_by_role("link", name="1 request", exact=True).click()
    expect(desk.locator("[data-row]")).to_have_count(1)
    desk.get_by_role("link", name="say-2").click()
    expect(desk.get_by_label("Request")).to_contain_text("Say 2.")
    expect(desk.get_by_label("Response")).to_contain_text("Not this one.")
    expect(desk.get_by_role("link", name="Next")).to_have_count(0)  # it was the only one of its group
    desk.get_by_role("link", name="Back to their list").click()
    expect(desk.locator("[data-row]")).to_have_count(1)


def test_a_batch_is_cancelled_after_a_question(desk: Page, queue: Queue, requests_file: Path) -> None:
    batch = start_batch(desk, requests_file, remark="A mistake")
    desk.get_by_role("link", name="Cancel…").click()
    expect(desk.get_by_role("heading", name="Cancel this batch?")).to_be_visible()
    desk.get_by_label("Why?").fill("Wrong file")
    desk.get_by_role("button", name="Cancel the batch").click()
    expect(desk.get_by_text("The batch is being cancelled.")).to_be_visible()
    finish(batch, queue)
    expect(desk.locator("#summary .badge")).to_have_text("Cancelled")
    expect(desk.locator("#facts")).to_contain_text("Wrong file")
    expect(desk.get_by_role("link", name="Cancel…")).to_have_count(0)


def test_a_mistake_in_the_form_keeps_the_chosen_file(desk: Page, portal: Portal, requests_file: Path) -> None:
    desk.get_by_role("link", name="New batch").click()
    desk.get_by_label("Input file").set_input_files(requests_file)
    desk.get_by_role("button", name="Another pair").click()
    for number in range(2):
        desk.get_by_label("Metadata key").nth(number).fill("team")
        desk.get_by_label("Metadata value").nth(number).fill(str(number))
    desk.get_by_role("button", name="Check the input").click()
    expect(desk.get_by_text("A metadata key is given twice.")).to_be_visible()
    desk.get_by_label("Metadata key").nth(1).fill("season")
    desk.get_by_role("button", name="Check the input").click()
    expect(desk.get_by_role("heading", name="Ready to start")).to_be_visible()
    expect(desk.locator("main")).to_contain_text("season")


def test_a_file_over_the_limit_is_not_even_sent(desk: Page, requests_file: Path) -> None:
    desk.get_by_role("link", name="New batch").click()
    desk.get_by_label("Input file").set_input_files(requests_file)
    desk.evaluate("document.getElementById('new-batch').dataset.maxBytes = '10'")
    desk.get_by_role("button", name="Check the input").click()
    expect(desk.get_by_role("alert")).to_contain_text("a batch may have")
    assert not Batch.objects.exists()


def test_the_providers_on_offer_follow_the_project(desk: Page, other_project: Project) -> None:
    private = Provider.objects.create(name="private", adapter="simulator", granted_to_all=False)
    private.grants.create(project=other_project, is_default=True)
    desk.get_by_role("link", name="New batch").click()
    offered = desk.get_by_label("Provider")
    expect(offered).to_have_value("simulator")
    desk.get_by_label("Project").select_option("globex")
    expect(offered).to_have_value("private")


def test_a_bad_input_is_reported_and_discarded_before_anything_is_sent(desk: Page, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"custom_id": "a"}\nnot json\n')
    desk.get_by_role("link", name="New batch").click()
    desk.get_by_label("Input file").set_input_files(bad)
    desk.get_by_role("button", name="Check the input").click()
    expect(desk.get_by_role("heading", name="Not ready: 2 problems")).to_be_visible()
    expect(desk.get_by_role("button", name="Start the batch")).to_have_count(0)
    desk.get_by_role("button", name="Discard").click()
    expect(desk.get_by_text("The upload was discarded. Nothing was sent.")).to_be_visible()
    assert not Batch.objects.exists()
    assert not File.objects.exists()


def test_a_batch_is_cloned_and_its_report_leads_back_to_the_form(desk: Page, requests_file: Path) -> None:
    first = start_batch(desk, requests_file, remark="Say it")
    desk.get_by_role("link", name="Clone…").click()
    expect(desk.get_by_text("The input is requests.jsonl")).to_be_visible()
    expect(desk.get_by_label("Remark")).to_have_value("Say it")
    desk.get_by_label("Remark").fill("Say it again")
    desk.get_by_text("Priority and guards").click()
    desk.get_by_label("Priority", exact=True).fill("200")
    desk.get_by_role("button", name="Check the input").click()
    desk.get_by_label("Priority", exact=True).fill("9")  # the browser itself refused the first
    desk.get_by_role("button", name="Check the input").click()
    expect(desk.get_by_role("button", name="Discard")).to_have_count(0)
    desk.get_by_role("link", name="Change…").click()
    expect(desk.get_by_label("Priority", exact=True)).to_have_value("9")
    desk.get_by_role("button", name="Check the input").click()
    desk.get_by_role("button", name="Start the batch").press("Enter")
    expect(desk.get_by_role("heading", name="Say it again")).to_be_visible()
    clone = Batch.objects.get(remark="Say it again")
    assert (clone.input_file, clone.priority) == (first.input_file, 9)


def test_the_list_is_filtered_by_its_cells_and_its_panel(desk: Page, portal: Portal, requests_file: Path) -> None:
    start_batch(desk, requests_file, remark="One")
    desk.get_by_role("navigation", name="Main").get_by_role("link", name="Batches").click()
    desk.get_by_title("Only this project").click()
    expect(desk.locator(".chips")).to_contain_text("Project is acme")
    desk.get_by_text("Filter", exact=True).click()
    desk.get_by_label("Cancelled").check()
    desk.get_by_role("button", name="Apply").first.click()
    expect(desk.get_by_role("heading", name="No batch matches")).to_be_visible()
    desk.get_by_role("link", name="Remove Status: Cancelled").click()
    expect(desk.get_by_role("link", name="One")).to_be_visible()
    desk.get_by_title("Reverse this filter").click()
    expect(desk.locator(".chips")).to_contain_text("Project is not acme")
    expect(desk.get_by_role("heading", name="No batch matches")).to_be_visible()


def test_a_page_left_open_says_that_its_reader_was_signed_out(desk: Page, requests_file: Path) -> None:
    start_batch(desk, requests_file, remark="Runs on")
    desk.context.clear_cookies()
    expect(desk.get_by_text("You are signed out.")).to_be_visible()
    expect(desk.get_by_label("Password")).to_have_count(0)


def test_the_page_does_not_change_under_somebody_who_types(desk: Page, portal: Portal, requests_file: Path) -> None:
    batch = start_batch(desk, requests_file, remark="Runs on")
    desk.goto(f"{portal.url}/console/batches/")
    field = desk.get_by_label("Id or remark")
    field.focus()
    expect(desk.locator("[data-live-note]")).to_contain_text("paused while you type")
    Batch.objects.filter(pk=batch.pk).update(remark="Renamed")
    expect(desk.locator("[data-live-note]")).to_have_text(LONG_AGO)
    expect(desk.get_by_role("link", name="Runs on")).to_be_visible()
    field.blur()
    expect(desk.get_by_role("link", name="Renamed")).to_be_visible()


def test_everything_works_without_scripts(
    browser: Browser, portal: Portal, operator: User, queue: Queue, requests_file: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, portal)
    first = start_batch(page, requests_file, remark="By hand")
    finish(first, queue)
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator("#summary .badge")).to_have_text("Completed with 1 failed")
    page.get_by_role("link", name="say-2").click()
    expect(page.get_by_label("Response")).to_contain_text("Not this one.")

    page.goto(f"{portal.url}/console/batches/")
    start_batch(page, requests_file, remark="By mistake")
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the batch").click()
    expect(page.get_by_text("The batch is being cancelled.")).to_be_visible()
    page.get_by_role("link", name="Clone…").click()
    page.get_by_label("Input file").set_input_files(requests_file)
    page.get_by_role("button", name="Check the input").click()
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("The upload was discarded.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    context.close()
