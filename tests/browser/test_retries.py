"""The pages of a batch whose failures were retried."""

import pytest
from playwright.sync_api import Page
from pytest_django import Settings

from batches.models import Batch, Project
from tests.browser.eyes import findings
from tests.cast import request_lines, started
from tests.conftest import Portal
from tests.rounds import at, child_of, completed

pytestmark = [pytest.mark.once, pytest.mark.long, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def nightly(project: Project, settings: Settings) -> Batch:
    """Twenty requests, of which five came too late and three were refused."""
    settings.SLICE_LINES = 10
    return completed(started(project, request_lines(20), remark="Nightly"), odd={1, 2, 3}, late={4, 5, 6, 7, 8})


def test_what_was_retried_is_read_at_every_width_and_in_both_schemes(desk: Page, portal: Portal, nightly: Batch) -> None:
    completed(child_of(nightly, at(4, 5)))
    own = f"{portal.url}/console/batches/{nightly}/"
    assert findings(desk, [own, f"{own}retry/", f"{own}retry/?worth=yes", f"{own}lines/4/"]) == []
