"""The embedded portal, one process on SQLite, is killed while a batch runs."""

import signal
from pathlib import Path

from tests.chaos.stage import stage


def test_a_killed_embedded_portal_finishes_its_batch_when_it_starts_again(tmp_path: Path) -> None:
    with stage(tmp_path) as embedded:
        run = embedded.begin(1500)
        embedded.wait_until_answered(run, 0.3)

        embedded.portal.stop(signal.SIGKILL)
        embedded.portal.wait_until_gone()
        embedded.portal.start()

        embedded.assert_complete(run)
