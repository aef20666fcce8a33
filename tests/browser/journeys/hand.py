"""The hand of an operator: what it clicks is counted, and so is each page that loads."""

from dataclasses import dataclass

from playwright.sync_api import Locator, Page


@dataclass(frozen=True, slots=True)
class Steps:
    """A journey's clicks and page loads. `at_most` is the number of clicks that it may take."""

    at_most: int
    clicks: int
    loads: int


# Each journey, as it is measured. tests/README.md has the same table.
JOURNEYS = {
    "Why did requests fail, down to one answer?": Steps(at_most=3, clicks=3, loads=3),
    "Retry only what is worth it": Steps(at_most=3, clicks=3, loads=3),
    "Cancel 40 batches of last night, with a reason": Steps(at_most=5, clicks=5, loads=4),
    "When will it be done?": Steps(at_most=2, clicks=1, loads=1),
    "Find the request of a custom_id": Steps(at_most=2, clicks=2, loads=1),
    "Move the batches of a provider that is down": Steps(at_most=4, clicks=3, loads=3),
    "Start a batch from a bad file, once it is mended": Steps(at_most=5, clicks=5, loads=5),
    "Compare two runs": Steps(at_most=3, clicks=3, loads=1),
    "Make a colleague an operator": Steps(at_most=6, clicks=6, loads=4),
    "Issue a key": Steps(at_most=4, clicks=3, loads=3),
    "Revoke a key": Steps(at_most=3, clicks=3, loads=3),
    "Who cancelled, and why?": Steps(at_most=2, clicks=2, loads=2),
    "Change a provider's limit and credential": Steps(at_most=4, clicks=3, loads=3),
    "Watch a batch for two minutes by keyboard": Steps(at_most=0, clicks=0, loads=1),
    "Take out the failures as CSV": Steps(at_most=2, clicks=2, loads=0),
    "On a phone: is anything failing?": Steps(at_most=0, clicks=0, loads=1),
    "Without scripts, as a viewer: why did requests fail?": Steps(at_most=3, clicks=3, loads=3),
}


class Hand:
    """Acts on a page as an operator does. A click counts, and so does a key that does what a click does.

    Typed text does not count, nor a choice in a list that a typed word finds, nor a file that a dialog of the system chooses.
    """

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.loads = page, 0, 0
        page.on("load", self._loaded)

    def start(self, address: str) -> None:
        """Open the page where a journey begins. It does not count."""
        self.page.goto(address)
        self.page.wait_for_load_state()
        self.clicks = self.loads = 0

    def open(self, address: str) -> None:
        """Begin with a page that counts: the journey has no other step."""
        self.clicks = self.loads = 0
        self.page.goto(address)

    def click(self, target: Locator) -> None:
        self.clicks += 1
        target.click()

    def press(self, key: str) -> None:
        self.clicks += 1
        self.page.keyboard.press(key)

    def must_have_taken(self, journey: str) -> None:
        """Fail if the journey took other steps than the table says, or more clicks than it may."""
        self.page.wait_for_load_state()
        steps = JOURNEYS[journey]
        assert (self.clicks, self.loads) == (steps.clicks, steps.loads), journey
        assert steps.clicks <= steps.at_most

    def _loaded(self, _page: Page) -> None:
        self.loads += 1
