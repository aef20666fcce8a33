"""A file storage that answers slowly. The worker that reads it keeps its lease."""

from collections.abc import Iterator

import pytest

from tests.chaos.levers import slow_down
from tests.chaos.stage import Stage


@pytest.fixture
def slow(grown_up: Stage) -> Iterator[Stage]:
    """The portal, each read of a stored file taking 120 ms for 16 KB."""
    slow_down(grown_up.portal.folder, 120)
    yield grown_up
    slow_down(grown_up.portal.folder, None)


@pytest.mark.servers
def test_e8_an_input_that_takes_longer_than_a_lease_is_validated(slow: Stage) -> None:
    run = slow.begin(4000)

    slow.assert_complete(run)

    slow.assert_counts_are_true(run)
    slow.assert_agrees()
    assert slow.repeated() == set()
