"""Rows that are ticked, and what the list sends to the bulk page for them."""

from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, Route, expect

from batches.models import Batch
from batches.rules.states import BatchStatus
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once

Posted = list[dict[str, list[str]]]


@pytest.fixture
def batches(make_batch: MakeBatch) -> list[Batch]:
    """Five, as the list has them: the newest first."""
    return [make_batch(BatchStatus.IN_PROGRESS, remark=f"Number {number}", pending=1) for number in range(5)][::-1]


@pytest.fixture
def posted(desk: Page) -> Posted:
    """What the list sends, taken on its way."""
    sent: Posted = []

    def take(route: Route) -> None:
        sent.append(parse_qs(route.request.post_data or ""))
        route.fulfill(body="Taken.")

    desk.route("**/console/bulk/new/", take)
    return sent


def ticks(desk: Page) -> list[bool]:
    return [box.is_checked() for box in desk.locator("[data-select]").all()]


def test_the_bar_comes_with_the_first_tick_and_sends_what_is_ticked(
    desk: Page, portal: Portal, batches: list[Batch], posted: Posted
) -> None:
    desk.goto(f"{portal.url}/console/batches/?status=in_progress&sort=-created")
    bar = desk.get_by_role("form", name="Act on batches")
    expect(bar).to_be_hidden()
    desk.get_by_label(f"Select {batches[1]}").check()
    expect(bar).to_contain_text("1 selected")
    desk.get_by_label(f"Select {batches[3]}").check()
    bar.get_by_role("button", name="Cancel…").click()
    expect(desk.get_by_text("Taken.")).to_be_visible()
    assert posted[0]["act"] == ["cancel"]
    assert posted[0]["scope"] == ["selected"]
    assert posted[0]["batch"] == [str(batches[1]), str(batches[3])]
    assert posted[0]["query"] == ["status=in_progress"]
    assert posted[0]["back"] == ["/console/batches/?status=in_progress"]


def test_everything_that_matches_is_sent_as_the_filter(desk: Page, portal: Portal, batches: list[Batch], posted: Posted) -> None:
    desk.goto(f"{portal.url}/console/batches/?view=active&model!=m&columns=status")
    desk.get_by_label("Select this page").check()
    assert ticks(desk) == [True] * 5
    desk.get_by_label("All 5 that match").check()
    desk.get_by_role("button", name="Pause…").click()
    expect(desk.get_by_text("Taken.")).to_be_visible()
    assert (posted[0]["act"], posted[0]["scope"], posted[0]["query"]) == (["pause"], ["matching"], ["view=active&model%21=m"])


def test_a_range_is_ticked_with_shift_by_mouse_and_by_keyboard(
    desk: Page, portal: Portal, batches: list[Batch], posted: Posted
) -> None:
    desk.goto(f"{portal.url}/console/batches/")
    desk.get_by_label(f"Select {batches[1]}").click()
    desk.get_by_label(f"Select {batches[3]}").click(modifiers=["Shift"])
    assert ticks(desk) == [False, True, True, True, False]

    desk.reload()
    for key in ("j", "x", "j", "j", "Shift+X"):
        desk.keyboard.press(key)
    assert ticks(desk) == [True, True, True, False, False]
    desk.keyboard.press("x")
    assert ticks(desk) == [True, True, False, False, False]
    expect(desk.get_by_label("Select this page")).to_have_js_property("indeterminate", value=True)


def test_the_list_holds_still_while_rows_are_ticked(desk: Page, portal: Portal, batches: list[Batch], posted: Posted) -> None:
    desk.goto(f"{portal.url}/console/batches/")
    desk.get_by_label(f"Select {batches[0]}").check()
    desk.evaluate("document.activeElement.blur()")
    expect(desk.locator("[data-live-note]")).to_contain_text("paused while rows are selected")
    Batch.objects.filter(pk=batches[0].pk).update(remark="Renamed")
    desk.get_by_label(f"Select {batches[0]}").uncheck()
    desk.evaluate("document.activeElement.blur()")
    expect(desk.get_by_role("link", name="Renamed")).to_be_visible()


def test_on_a_phone_the_bar_stays_in_reach(desk: Page, portal: Portal, batches: list[Batch], posted: Posted) -> None:
    desk.set_viewport_size({"width": 320, "height": 640})
    desk.goto(f"{portal.url}/console/batches/")
    desk.get_by_label(f"Select {batches[0]}").check()
    button = desk.get_by_role("button", name="Cancel…")
    expect(button).to_be_in_viewport()
    desk.mouse.wheel(0, 300)
    expect(button).to_be_in_viewport()
