"""Taking out and comparing at a browser: journeys with their clicks counted. Typed text does not count."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from batches.models import Batch, BatchResult
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = [pytest.mark.once, pytest.mark.long]


@dataclass
class Clicks:
    """Counts what an operator presses."""

    count: int = 0

    def on(self, what: Locator) -> None:
        self.count += 1
        what.click()


def test_failures_are_taken_out_as_csv_in_two_clicks(desk: Page, portal: Portal, make_batch: MakeBatch) -> None:
    batch, clicks = make_batch(succeeded=2, failed=3), Clicks()
    desk.goto(f"{portal.url}/console/batches/{batch}/")
    clicks.on(desk.locator("summary", has_text="Download"))
    with desk.expect_download() as download:
        clicks.on(desk.get_by_role("link", name="CSV of Failures", exact=True))
    assert download.value.suggested_filename == f"{batch}_failures.csv"
    assert Path(download.value.path()).read_text(encoding="utf-8-sig").count("server_error") == 3
    assert clicks.count == 2


def test_two_batches_of_the_list_are_compared_in_three_clicks(desk: Page, portal: Portal, make_batch: MakeBatch) -> None:
    """O11."""
    first = make_batch(succeeded=4, failed=1, remark="Before", body='{"id": "1", "colour": "red"}')
    second = make_batch(succeeded=5, remark="After", body='{"id": "2", "colour": "red"}')
    BatchResult.objects.filter(batch=second, line=3).update(body='{"colour": "blue"}')
    clicks = Clicks()
    desk.goto(f"{portal.url}/console/batches/")
    for batch in (second, first):
        clicks.on(desk.get_by_label(f"Select {batch}"))
    clicks.on(desk.get_by_role("button", name="Compare two"))
    expect(desk.get_by_text("75 % of the answers match: 3 of 4 compared.")).to_be_visible()
    assert clicks.count == 3
    desk.get_by_role("link", name="Show answers that differ").click()
    expect(desk.locator("[data-row]")).to_have_text(re.compile("a-3.*Differs.*colour", re.DOTALL))
    desk.locator("summary", has_text="Download").click()
    with desk.expect_download() as download:
        desk.get_by_role("link", name="CSV of Every pair", exact=True).click()
    assert Path(download.value.path()).read_text(encoding="utf-8-sig").count("same") == 3


def test_a_bad_file_is_looked_into_and_started_without_its_bad_lines(desk: Page, portal: Portal, requests_file: Path) -> None:
    """O29."""
    requests_file.write_text(requests_file.read_text() + "not json\n{}\n")
    clicks = Clicks()
    desk.goto(f"{portal.url}/console/batches/new/")
    desk.get_by_label("Input file").set_input_files(requests_file)
    clicks.on(desk.get_by_role("button", name="Check the input"))
    expect(desk.get_by_role("heading", name="Not ready: 2 problems on 2 of 6 lines")).to_be_visible()
    clicks.on(desk.get_by_role("link", name="1 × invalid_json_line"))
    expect(desk.locator(".line-text")).to_have_text("not json")
    clicks.on(desk.get_by_role("button", name="Start without the 2 bad lines"))
    expect(desk).to_have_url(re.compile("/console/batches/batch_"))
    assert clicks.count == 3
    assert Batch.objects.get().on_invalid == "skip"


def test_lines_are_pasted(desk: Page, portal: Portal, requests_file: Path) -> None:
    """O29."""
    desk.goto(f"{portal.url}/console/batches/new/")
    desk.get_by_text("Paste lines instead").click()
    desk.get_by_label("Lines", exact=True).fill(requests_file.read_text())
    desk.get_by_role("button", name="Check the input").click()
    expect(desk.get_by_role("heading", name="Ready to start")).to_be_visible()
