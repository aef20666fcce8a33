"""The search in a browser: the palette by keyboard alone, and the page without scripts."""

import pytest
from playwright.sync_api import Browser, Page, expect

from batches.models import Batch, BatchObject
from tests.browser.conftest import sign_in
from tests.browser.eyes import findings
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    """A batch among others; one of its requests has a name of its own."""
    batches = [make_batch(remark=f"Nightly run {number}", succeeded=3, failed=1) for number in range(3)]
    BatchObject.objects.filter(batch=batches[1], line=2).update(custom_id="order-2026-0007")
    return batches[1]


def test_the_palette_is_used_by_keyboard_alone(desk: Page, portal: Portal, batch: Batch) -> None:
    desk.keyboard.press("Control+k")
    palette = desk.get_by_role("dialog", name="Find anything")
    expect(palette.get_by_role("searchbox")).to_be_focused()
    expect(palette.get_by_role("link", name="Overview")).to_be_visible()
    desk.keyboard.type("nightly")
    expect(palette.locator("[data-palette-says]")).to_have_text("3 things found")
    desk.keyboard.press("ArrowDown")
    expect(palette.get_by_role("link", name="Nightly run 2")).to_be_focused()
    desk.keyboard.press("ArrowUp")
    expect(palette.get_by_role("searchbox")).to_be_focused()
    desk.keyboard.press("Escape")
    expect(palette).to_be_hidden()
    desk.keyboard.press("Control+k")
    desk.keyboard.type("order-2026-0007")
    expect(palette.locator("[data-palette-says]")).to_have_text("1 thing found")
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Enter")
    desk.wait_for_url(f"**/batches/{batch}/lines/2/")


@pytest.mark.long
def test_the_search_and_its_palette_can_be_read(desk: Page, portal: Portal, batch: Batch) -> None:
    assert findings(desk, [f"{portal.url}/console/search/", f"{portal.url}/console/search/?q=nightly"]) == []
    desk.keyboard.press("Control+k")
    desk.keyboard.type("nightly")
    expect(desk.locator("#palette [data-palette-found] .title").first).to_be_visible()
    assert desk.evaluate("document.querySelectorAll('#found-batch').length") == 1


@pytest.mark.long
def test_the_search_needs_no_script(browser: Browser, portal: Portal, operator: object, batch: Batch) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, portal)
    page.get_by_role("search", name="Everything").get_by_role("searchbox").fill("order-2026-0007")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/batches/{batch}/lines/2/")
    context.close()
