"""From an error group over all batches to the one object that is mended, in a browser."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from batches.models import Batch, BatchObject
from batches.rules.states import BatchStatus
from tests.browser.conftest import sign_in
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(remark="Partial", succeeded=2, failed=3)


def test_a_group_leads_to_its_batch_to_a_question_and_to_a_child_batch(desk: Page, batch: Batch) -> None:
    desk.get_by_role("navigation", name="Main").get_by_role("link", name="Errors").click()
    expect(desk.get_by_role("img", name=re.compile("Failures in 24 hours"))).to_be_visible()
    desk.get_by_role("link", name="The upstream failed.").click()
    expect(desk.get_by_text("Grouped because")).to_be_visible()
    desk.get_by_role("link", name="Retry… those of Partial").click()
    expect(desk.get_by_role("heading", name="Send 3 requests again?")).to_be_visible()
    desk.get_by_label("Why?").fill("It is up again")
    desk.get_by_role("button", name="Send 3 again").click()
    expect(desk.get_by_text("This batch sends 3 requests again.")).to_be_visible()
    assert Batch.objects.get(parent=batch).status == BatchStatus.VALIDATING


def test_a_double_click_sends_once(desk: Page, portal: Portal, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, failed=2, pending=1)
    desk.goto(f"{portal.url}/console/batches/{batch}/retry/")
    desk.get_by_role("button", name="Send 2 again").dblclick()
    expect(desk.get_by_role("heading", name="requests.jsonl")).to_be_visible()
    assert set(BatchObject.objects.filter(batch=batch, line__lte=2).values_list("status", "round")) == {("pending", 2)}
    assert batch.events.filter(act="retried").count() == 1


def test_objects_are_ticked_by_keyboard_and_retried(desk: Page, portal: Portal, batch: Batch) -> None:
    desk.goto(f"{portal.url}/console/batches/{batch}/?status=failed")
    bar = desk.get_by_role("form", name="Act on requests")
    expect(bar).to_be_hidden()
    for key in ("j", "x", "j", "j", "Shift+X"):
        desk.keyboard.press(key)
    expect(bar).to_contain_text("3 selected")
    desk.keyboard.press("x")
    expect(bar).to_contain_text("2 selected")
    bar.get_by_role("button", name="Retry…").click()
    expect(desk.get_by_role("heading", name="Send 2 requests again?")).to_be_visible()
    desk.get_by_role("link", name="Go back").click()
    expect(desk.get_by_role("heading", name="Partial")).to_be_visible()


def test_a_request_is_edited_and_sees_its_difference_before_it_is_sent(desk: Page, portal: Portal, batch: Batch) -> None:
    desk.goto(f"{portal.url}/console/batches/{batch}/lines/4/")
    desk.get_by_role("link", name="Edit and resend…").click()
    field = desk.get_by_label("Body")
    field.fill(field.input_value().replace('"m"', "m"))
    desk.get_by_role("button", name="Compare…").click()
    expect(desk.get_by_role("alert")).to_contain_text("The body is not valid JSON")
    field.fill('{"model": "m-2", "messages": [4]}')
    desk.get_by_role("button", name="Compare…").click()
    expect(desk.get_by_label("Differences").locator("ins")).to_contain_text('"model": "m-2"')
    desk.get_by_role("button", name="Edit again").click()
    expect(field).to_have_value('{"model": "m-2", "messages": [4]}')
    desk.get_by_role("button", name="Compare…").click()
    desk.get_by_role("button", name="Send the request").click()
    expect(desk.get_by_text("This batch sends 1 request again.")).to_be_visible()
    child = Batch.objects.get(parent=batch)
    assert batch.events.get(act="retried").note == f"1 object in {child}. Edited: changed model."


def test_a_group_is_muted_and_the_list_counts_on_without_it(desk: Page, portal: Portal, batch: Batch) -> None:
    desk.goto(f"{portal.url}/console/errors/v1:same/")
    desk.get_by_label("Why?").fill("Ticket 7")
    desk.get_by_role("button", name="Mute").click()
    expect(desk.locator(".timeline")).to_contain_text("Ticket 7")
    desk.keyboard.press("g")
    desk.keyboard.press("e")
    expect(desk.get_by_role("heading", name="Nothing failed")).to_be_visible()
    desk.get_by_role("link", name="Muted").click()
    expect(desk.get_by_role("link", name="The upstream failed.")).to_be_visible()


def test_the_list_of_errors_is_live(desk: Page, portal: Portal, batch: Batch, make_batch: MakeBatch) -> None:
    desk.goto(f"{portal.url}/console/errors/")
    expect(desk.locator("#groups caption")).to_contain_text("3 failures")
    make_batch(failed=1)
    desk.keyboard.press("r")
    expect(desk.locator("#groups caption")).to_contain_text("4 failures")


def test_what_waits_to_be_sent_again_shows_what_came_before(desk: Page, portal: Portal, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, failed=1, pending=1)
    desk.goto(f"{portal.url}/console/batches/{batch}/lines/1/")
    desk.get_by_role("link", name="Retry…").click()
    desk.get_by_role("button", name="Send 1 again").click()
    desk.get_by_role("link", name="a-1").click()
    expect(desk.get_by_text("retrying")).to_be_visible()
    expect(desk.get_by_text("None yet.")).to_be_visible()
    desk.get_by_role("link", name="Round 1").click()
    expect(desk.get_by_label("Response")).to_contain_text("42")


def test_errors_are_found_and_mended_without_scripts(browser: Browser, portal: Portal, operator: User, batch: Batch) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 700}, color_scheme="dark")
    page = context.new_page()
    sign_in(page, portal)
    page.get_by_role("link", name="Errors").click()
    page.get_by_label("Message").fill("upstream")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="The upstream failed.").click()
    page.get_by_label("Note for other operators").fill("See ticket 7")
    page.get_by_role("button", name="Save the note").click()
    expect(page.get_by_text("Note saved.")).to_be_visible()
    page.get_by_role("link", name="3 requests of Partial").click()
    page.get_by_label("Select a-4").check()
    page.get_by_label("Select a-5").check()
    page.get_by_role("form", name="Act on requests").get_by_role("button").click()
    page.get_by_role("button", name="Send 2 again").click()
    expect(page.get_by_text("This batch sends 2 requests again.")).to_be_visible()
    context.close()
