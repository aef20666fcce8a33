"""Lines that are pasted instead of a file."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Portal

pytestmark = [pytest.mark.once, pytest.mark.long]


def test_lines_are_pasted(desk: Page, portal: Portal, requests_file: Path) -> None:
    """O29."""
    desk.goto(f"{portal.url}/console/batches/new/")
    desk.get_by_text("Paste lines instead").click()
    desk.get_by_label("Lines", exact=True).fill(requests_file.read_text())
    desk.get_by_role("button", name="Check the input").click()
    expect(desk.get_by_role("heading", name="Ready to start")).to_be_visible()
