"""A large batch through a whole portal, undisturbed. CHAOS_LINES=50000 makes it as large as a batch may be."""

import os

import pytest

from tests.chaos.stage import Stage

LINES = int(os.environ.get("CHAOS_LINES", "5000"))


@pytest.mark.servers
def test_each_object_is_sent_once_and_written_once_in_input_order(grown_up: Stage) -> None:
    run = grown_up.begin(LINES)

    grown_up.assert_complete(run)

    grown_up.assert_counts_are_true(run)
    assert len(grown_up.upstream.requests) == LINES
