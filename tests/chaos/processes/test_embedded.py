"""The embedded portal, one process on SQLite, is killed while a batch runs."""

import os
import signal
from pathlib import Path

import pytest

from tests.chaos.stage import stage


@pytest.mark.gate
def test_a_killed_embedded_portal_finishes_its_batch_when_it_starts_again(tmp_path: Path) -> None:
    with stage(tmp_path) as embedded:
        run = embedded.begin(1500)
        embedded.wait_until_answered(run, 0.3)

        embedded.portal.stop(signal.SIGKILL)
        embedded.portal.wait_until_gone()
        embedded.portal.start()

        embedded.assert_complete(run)


def test_a_web_process_that_ends_is_replaced_by_one_that_goes_on_with_the_batch(tmp_path: Path) -> None:
    with stage(tmp_path) as embedded:
        run = embedded.begin(1500)
        embedded.wait_until_answered(run, 0.3)

        (process,) = embedded.portal.children()
        os.kill(process, signal.SIGTERM)

        embedded.assert_complete(run)
