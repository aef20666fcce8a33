"""axe on every page: nothing serious, in light and dark, wide and narrow."""

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

from batches.models import Batch
from batches.states import BatchStatus
from tests.browser.test_look import PATHS, SCHEMES, addresses
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once

SERIOUS = ("serious", "critical")


@pytest.fixture
def batches(make_batch: MakeBatch) -> list[Batch]:
    return [
        make_batch(BatchStatus.FAILED),
        make_batch(remark="Partial", succeeded=2, failed=3, metadata={"team": "search"}),
        make_batch(BatchStatus.IN_PROGRESS, succeeded=2, pending=3, failed=2),
    ]


def test_no_page_has_a_serious_finding(desk: Page, portal: Portal, batches: list[Batch]) -> None:
    axe, found = Axe(), {}
    for address in [*addresses(portal, batches), f"{portal.url}/console/login/"]:
        desk.goto(address)
        for scheme, width in zip(SCHEMES, (1280, 320), strict=True):
            desk.emulate_media(color_scheme=scheme)
            desk.set_viewport_size({"width": width, "height": 800})
            violations = axe.run(desk).response["violations"]
            if serious := [(one["id"], one["nodes"][0]["html"][:200]) for one in violations if one["impact"] in SERIOUS]:
                found[address, scheme] = serious
    assert not found
    assert len(PATHS) > 5
