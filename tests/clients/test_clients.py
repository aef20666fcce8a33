"""Clients that cannot be imported here - an old release, another language - against a whole portal."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, PortalProcess, portal_process

CLIENTS = ROOT / "tests" / "clients"
INSTALLED = ROOT / "build" / "clients"


pytestmark = pytest.mark.long


@pytest.fixture
def portal(tmp_path: Path, db: None) -> Iterator[PortalProcess]:
    """A portal that runs. (`db` has this run in both sessions; nothing here touches that database.)"""
    with portal_process(tmp_path, CANCEL_GRACE_SECONDS="1") as portal:
        portal.start()
        yield portal


def check(portal: PortalProcess, *command: object, folder: Path = ROOT) -> None:
    """Run a client's check with the portal's URL and a key."""
    created = portal.manage("apikey", "create", "--project", "acme", "--name", "client")
    assert created.returncode == 0, created.stderr
    words = [*map(str, command), portal.url, created.stdout.strip()]
    checked = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert checked.returncode == 0, checked.stderr + portal.output


def test_an_old_anthropic_release_with_its_way_to_send_a_key(portal: PortalProcess) -> None:
    interpreter = INSTALLED / "anthropic-legacy" / "bin" / "python"
    assert interpreter.exists(), "make test-both installs it: make build/clients/anthropic-legacy/installed"
    check(portal, interpreter, "-I", CLIENTS / "anthropic-legacy" / "check.py")


@pytest.mark.skipif(shutil.which("node") is None, reason="There is no Node on this machine.")
def test_the_openai_client_for_node(portal: PortalProcess) -> None:
    folder = INSTALLED / "openai-node"
    assert (folder / "node_modules").exists(), "make test-both installs it: make build/clients/openai-node/installed"
    shutil.copy(CLIENTS / "openai-node" / "check.mjs", folder)
    check(portal, "node", "check.mjs", folder=folder)
