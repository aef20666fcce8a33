"""Watching: the end of a batch is announced, and a narrow screen shows first what matters."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from batches.models import Batch, Slice
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once
# Chromium without a window refuses notifications, whatever was granted.
GRANTED = "window.Notification = class { static permission = 'granted'; static requestPermission = async () => 'granted'; }"
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, remark="Nightly run", succeeded=40, failed=10)


def end(batch: Batch) -> None:
    piece = Slice.objects.get(batch=batch)
    counts: dict[str, Any] = {"total": piece.total, "succeeded": piece.succeeded, "failed": piece.failed}
    moved = transition(batch, BatchStatus.FINALIZING, actor=ENGINE, now=timezone.now())
    transition(moved, BatchStatus.COMPLETED, actor=ENGINE, now=timezone.now(), **counts)


@pytest.mark.parametrize("place", ["batches/{batch}/", pytest.param("batches/?view=active", marks=pytest.mark.long)])
def test_the_end_of_a_batch_is_announced_where_it_is_watched(desk: Page, portal: Portal, batch: Batch, place: str) -> None:
    """O22: the page changed, and nothing said that the batch had ended. In a list of running batches the row only vanished."""
    desk.goto(f"{portal.url}/console/{place.format(batch=batch)}")
    end(batch)
    toast = desk.locator(".toast")
    expect(toast).to_contain_text("Nightly run")
    expect(toast).to_contain_text("40 of 50 requests succeeded.")
    expect(desk.locator("[data-announced]")).to_contain_text("40 of 50 requests succeeded.")
    expect(desk.locator("[data-announced]")).to_have_attribute("aria-live", "polite")
    assert "Completed" in desk.title() or "completed" in desk.title()
    desk.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)
    expect(desk.locator("main")).to_be_focused()
    assert "ompleted" not in desk.title()


@pytest.mark.long
def test_a_notification_is_sent_only_to_who_turned_it_on(desk: Page, portal: Portal, batch: Batch) -> None:
    """O22."""
    desk.add_init_script(GRANTED)
    desk.goto(f"{portal.url}/console/batches/{batch}/")
    button = desk.get_by_role("button", name="Notify me when a batch ends")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    desk.reload()
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_on_a_phone_files_and_timeline_come_before_fifty_rows(desk: Page, portal: Portal, batch: Batch) -> None:
    """O18: they came behind 50 rows, 15,234 px down."""
    desk.set_viewport_size(PHONE)  # type: ignore[arg-type]
    desk.goto(f"{portal.url}/console/batches/{batch}/")
    top = "id => document.getElementById(id).getBoundingClientRect().top + scrollY"
    assert desk.evaluate(top, "facts") < desk.evaluate(top, "timeline") < desk.evaluate(top, "objects")
    assert desk.evaluate("document.documentElement.scrollHeight") < 8_000
    desk.get_by_role("navigation", name="On this page").get_by_role("link", name="Requests").click()
    expect(desk.locator("#objects")).to_be_in_viewport()
    desk.goto(f"{portal.url}/console/batches/")
    desk.set_viewport_size({"width": 1360, "height": 900})
    desk.goto(f"{portal.url}/console/batches/{batch}/")
    left, right = (desk.locator(name).bounding_box() for name in ("#objects", "#facts"))
    assert left
    assert right
    assert left["x"] + left["width"] < right["x"]


@pytest.mark.long
def test_on_a_phone_a_list_of_fifty_is_not_thirteen_screens_long(desk: Page, portal: Portal, make_batch: MakeBatch) -> None:
    """O18: 50 batches were 13,750 px."""
    for number in range(50):
        make_batch(BatchStatus.COMPLETED, remark=f"Nightly run {number}", succeeded=3)
    desk.set_viewport_size(PHONE)  # type: ignore[arg-type]
    desk.goto(f"{portal.url}/console/batches/")
    height = desk.evaluate("document.documentElement.scrollHeight")
    assert height < 7_500, height


def test_cards_of_the_overview_are_as_tall_as_what_they_hold(desk: Page, portal: Portal, make_batch: MakeBatch) -> None:
    """O30: each card was as tall as the tallest."""
    batches = [make_batch(BatchStatus.IN_PROGRESS, remark=f"Run {number}", succeeded=1, failed=9) for number in range(3)]
    Batch.objects.filter(pk=batches[0].pk).update(paused_at=timezone.now(), paused_by="user ops")
    desk.goto(f"{portal.url}/console/overview/")
    heights = desk.locator(".matters > .stat").evaluate_all("cards => cards.map((card) => card.offsetHeight)")
    assert len(heights) > 1
    assert len(set(heights)) > 1
