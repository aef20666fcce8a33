"""`manage.py serve` as real processes: how they start, what they survive, and that they all end."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import PortalProcess, portal_process
from tests.servers import free_port


@pytest.fixture
def portal(tmp_path: Path, db: None) -> Iterator[PortalProcess]:
    """A portal that is not started yet. (`db` has this run in both sessions; nothing here touches that database.)"""
    with portal_process(tmp_path) as portal:
        yield portal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_becomes_ready_and_a_signal_ends_it_without_orphans_or_tracebacks(
    portal: PortalProcess, number: signal.Signals
) -> None:
    portal.start()

    assert portal.stop(number) == 0
    assert portal.pids() == []
    assert "Traceback" not in portal.output


def test_it_says_where_to_go_and_how_to_stop(portal: PortalProcess) -> None:
    portal.start()

    assert f"{portal.url}/console/" in portal.output
    assert f"{portal.url}/v1" in portal.output
    assert "Ctrl-C" in portal.output


def test_no_process_outlives_a_killed_server(portal: PortalProcess) -> None:
    portal.start()
    assert portal.process is not None

    portal.process.kill()

    portal.wait_until_gone()


def test_it_can_start_again_after_it_was_killed(portal: PortalProcess) -> None:
    portal.start()
    for pid in portal.pids():
        os.kill(pid, signal.SIGKILL)
    portal.wait_until_gone()

    portal.start()

    assert portal.lacks() == {}


def test_a_port_that_is_taken_is_refused_by_name(portal: PortalProcess, tmp_path_factory: pytest.TempPathFactory) -> None:
    portal.start()
    with portal_process(tmp_path_factory.mktemp("other"), PORT=portal.environment["PORT"]) as other:
        refused = other.manage("serve")

    assert refused.returncode == 1
    assert f"Port {portal.environment['PORT']}" in refused.stderr


def test_a_second_embedded_portal_on_one_data_folder_is_refused_by_name(tmp_path: Path) -> None:
    with portal_process(tmp_path) as portal:
        portal.start()
        port = portal.environment["PORT"]
        portal.environment["PORT"] = str(free_port())

        refused = portal.manage("serve")

    assert refused.returncode == 1
    assert str(tmp_path) in refused.stderr
    assert f"port {port}" in refused.stderr


def test_an_embedded_portal_is_not_served_role_by_role(tmp_path: Path) -> None:
    with portal_process(tmp_path) as portal:
        refused = portal.manage("serve", "execute")

    assert refused.returncode == 1
    assert "DATABASE_URL and REDIS_URL" in refused.stderr


@pytest.mark.servers
@pytest.mark.parametrize("role", ["config.web", "control@", "execute@", "beat"])
def test_a_role_that_dies_is_started_again(portal: PortalProcess, role: str) -> None:
    portal.start()
    before = portal.pids(role)
    os.kill(before[0], signal.SIGKILL)

    deadline = time.monotonic() + 30
    while set(portal.pids(role)) & set(before) or not portal.pids(role):
        assert time.monotonic() < deadline, portal.output
        time.sleep(0.1)

    portal.wait_until_ready()


@pytest.mark.servers
def test_roles_that_are_started_one_by_one_make_a_portal_too(portal: PortalProcess) -> None:
    roles = [portal.spawn("serve", role) for role in ("web", "control", "execute", "beat")]
    portal.wait_until_ready()

    for role in roles:
        role.send_signal(signal.SIGTERM)

    assert [role.wait(timeout=30) for role in roles] == [0, 0, 0, 0]
    assert portal.pids() == []
    assert "Traceback" not in portal.output
