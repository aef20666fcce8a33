"""An operator who is signed in, has the overview before them, and has clicked nothing yet."""

import pytest
from playwright.sync_api import Page

from tests.browser.journeys.hand import Hand
from tests.conftest import Portal


@pytest.fixture
def overview(desk: Page, portal: Portal) -> str:
    """The address of the overview, where a journey begins."""
    return f"{portal.url}/console/overview/"


@pytest.fixture
def hand(desk: Page) -> Hand:
    return Hand(desk)
