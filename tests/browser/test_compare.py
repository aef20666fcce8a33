"""Two batches compared at a browser."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from batches.models import Batch
from tests.browser.conftest import sign_in
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once


@pytest.fixture
def two(make_batch: MakeBatch) -> tuple[Batch, Batch]:
    """The same input twice; one object regressed."""
    first = make_batch(succeeded=3, failed=1, remark="Before", body='{"colour": "red", "n": 1}')
    second = make_batch(succeeded=2, failed=2, remark="After", body='{"n": 1, "colour": "blue"}')
    Batch.objects.filter(pk=second.pk).update(input_file=first.input_file)
    return first, second


def compare(page: Page, portal: Portal, first: Batch) -> None:
    """From the page of a batch to the two answers of what is fine in both."""
    page.goto(f"{portal.url}/console/batches/{first}/")
    page.get_by_role("link", name="Compare with…").click()
    expect(page.get_by_text("The same input file")).to_be_visible()
    page.get_by_role("link", name="After").click()
    expect(page.locator("[data-row]")).to_have_count(2)
    page.get_by_role("link", name="Regressed 1").click()
    expect(page.locator("[data-row]")).to_have_text(re.compile("a-3"))
    page.get_by_role("link", name="Succeeded in both 2").click()
    page.get_by_role("link", name="a-1", exact=True).click()
    expect(page.locator("ins")).to_contain_text("blue")
    expect(page.locator("del")).to_contain_text("red")


def test_two_batches_are_compared_down_to_an_answer(desk: Page, portal: Portal, two: tuple[Batch, Batch]) -> None:
    compare(desk, portal, two[0])
    desk.get_by_role("link", name="Compare", exact=True).click()
    desk.get_by_role("link", name="Swap").click()
    expect(desk.get_by_role("link", name="Fixed 1")).to_be_visible()


def test_they_are_compared_without_scripts_too(
    browser: Browser, portal: Portal, operator: User, two: tuple[Batch, Batch]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, portal)
    compare(page, portal, two[0])
    context.close()


def test_they_are_compared_by_the_keyboard_alone(desk: Page, portal: Portal, two: tuple[Batch, Batch]) -> None:
    desk.goto(f"{portal.url}/console/batches/{two[0]}/compare/")
    desk.keyboard.press("/")
    expect(desk.get_by_label("Id of the other batch")).to_be_focused()
    desk.keyboard.type("nothing")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("alert")).to_have_text("This is not the id of a batch.")
    desk.get_by_label("Id of the other batch").fill(str(two[1]))
    desk.keyboard.press("Enter")
    desk.keyboard.press("Escape")
    expect(desk.get_by_role("heading", name="Two batches compared")).to_be_visible()
    desk.keyboard.press("j")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name="a-3")).to_be_visible()
