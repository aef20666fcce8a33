"""An old release of the `anthropic` package, in an environment of its own, against a whole portal."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, PortalProcess, portal_process

CLIENT = ROOT / "tests" / "clients" / "anthropic-legacy" / "check.py"
INTERPRETER = ROOT / "build" / "clients" / "anthropic-legacy" / "bin" / "python"


@pytest.fixture
def portal(tmp_path: Path, db: None) -> Iterator[PortalProcess]:
    """A portal that runs. (`db` has this run in both sessions; nothing here touches that database.)"""
    with portal_process(tmp_path, CANCEL_GRACE_SECONDS="1") as portal:
        portal.start()
        yield portal


def test_an_old_release_with_its_way_to_send_a_key(portal: PortalProcess) -> None:
    assert INTERPRETER.exists(), "make test installs it: make build/clients/anthropic-legacy/installed"
    created = portal.manage("apikey", "create", "--project", "acme", "--name", "legacy")
    assert created.returncode == 0, created.stderr
    command = [str(INTERPRETER), "-I", str(CLIENT), portal.url, created.stdout.strip()]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert checked.returncode == 0, checked.stderr + portal.output
