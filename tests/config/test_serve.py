"""`manage.py serve` as real processes: how they start, what they survive, and that they all end."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.processes import STARTS_WITHIN, STOPS_WITHIN, PortalProcess, portal_process
from tests.servers import free_port

ROLES = 5  # processes of the portal on PostgreSQL and Redis


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalProcess]:
    """A portal that runs, for tests that leave it as it is."""
    with portal_process(tmp_path_factory.mktemp("running")) as portal:
        portal.start()
        yield portal


@pytest.fixture
def portal(tmp_path: Path, db: None) -> Iterator[PortalProcess]:
    """A portal that is not started yet. (`db` has this run in both sessions; nothing here touches that database.)"""
    with portal_process(tmp_path) as portal:
        yield portal


@pytest.mark.once
def test_it_says_where_to_go_and_how_to_stop(running: PortalProcess, db: None) -> None:
    assert f"{running.url}/console/" in running.output
    assert f"{running.url}/v1" in running.output
    assert "Ctrl-C" in running.output
    assert "WARNING" not in running.output


@pytest.mark.once
def test_a_port_that_is_taken_is_refused_by_name(running: PortalProcess, portal: PortalProcess) -> None:
    portal.environment["PORT"] = running.environment["PORT"]

    refused = portal.manage("serve")

    assert refused.returncode == 1
    assert f"Port {running.environment['PORT']}" in refused.stderr


def test_a_second_embedded_portal_on_one_data_folder_is_refused_by_name(running: PortalProcess) -> None:
    second = PortalProcess(running.environment | {"PORT": str(free_port())}, folder=running.folder)

    refused = second.manage("serve")

    assert refused.returncode == 1
    assert str(running.folder) in refused.stderr
    assert f"port {running.environment['PORT']}" in refused.stderr


@pytest.mark.alike
def test_however_it_ends_nothing_outlives_it_and_it_can_start_again(portal: PortalProcess) -> None:
    portal.start()
    assert portal.stop(signal.SIGINT) == 0
    assert portal.pids() == []

    portal.start()
    portal.stop(signal.SIGKILL)
    portal.wait_until_gone()

    portal.start()
    assert portal.lacks() == {}
    assert portal.stop(signal.SIGTERM) == 0
    assert portal.pids() == []
    assert "Traceback" not in portal.output


def test_an_embedded_portal_is_not_served_role_by_role(tmp_path: Path) -> None:
    with portal_process(tmp_path) as portal:
        refused = portal.manage("serve", "execute")

    assert refused.returncode == 1
    assert "DATABASE_URL and REDIS_URL" in refused.stderr


def test_a_portal_that_reloads_starts_anew_when_its_code_changes_and_leaves_nothing_behind(tmp_path: Path) -> None:
    loaded = tmp_path / "code" / "sitecustomize.py"  # Python loads a module of this name at every start
    loaded.parent.mkdir()
    loaded.write_text("")
    with portal_process(tmp_path / "data", PYTHONPATH=str(loaded.parent)) as portal:
        portal.process = portal.spawn("serve", "--reload")
        portal.wait_until_ready()

        deadline = time.monotonic() + STARTS_WITHIN
        while "starts anew" not in portal.output:
            assert time.monotonic() < deadline, portal.output
            loaded.write_text(f"# changed at {time.monotonic()}")
            time.sleep(0.5)

        portal.wait_until_ready()
        assert portal.stop() == 0
        portal.wait_until_gone()


def test_only_the_embedded_portal_reloads(tmp_path: Path) -> None:
    with portal_process(tmp_path) as portal:
        refused = portal.manage("serve", "execute", "--reload")

    assert refused.returncode == 1
    assert "--reload" in refused.stderr


@pytest.mark.servers
def test_roles_that_die_are_started_again(portal: PortalProcess) -> None:
    portal.start()
    leaders = portal.children()
    assert len(leaders) == ROLES
    for pid in leaders:
        os.kill(pid, signal.SIGKILL)

    deadline = time.monotonic() + STARTS_WITHIN
    while len(set(portal.children()) - set(leaders)) < ROLES:
        assert time.monotonic() < deadline, portal.output
        time.sleep(0.1)

    portal.wait_until_ready()
    assert portal.output.count("ended with code -9") == ROLES


def status(portal: PortalProcess, path: str, *, key: str) -> int:
    """How a call is answered."""
    return httpx.get(f"{portal.url}{path}", headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code


@pytest.mark.servers
def test_the_threads_of_the_web_server_share_their_connections(portal: PortalProcess) -> None:
    portal.environment["WEB_DATABASE_CONNECTIONS"] = "8"
    portal.start()
    key = portal.manage("apikey", "create", "--project", "acme", "--name", "many").stdout.strip()

    with ThreadPoolExecutor(48) as clients:
        answers = list(clients.map(lambda _: status(portal, "/v1/batches", key=key), range(400)))

    assert answers == [200] * 400
    with psycopg.connect(portal.environment["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").fetchone()
    workers_and_this_one = 2 * max(2, os.cpu_count() or 1) + 5
    assert row is not None
    assert row[0] <= 8 + workers_and_this_one


@pytest.mark.servers
@pytest.mark.long  # those that all start together are the same
def test_roles_that_are_started_one_by_one_make_a_portal_too(portal: PortalProcess) -> None:
    roles = [portal.spawn("serve", role) for role in ("web", "control", "execute", "delegate", "beat")]
    portal.wait_until_ready()

    for role in roles:
        role.send_signal(signal.SIGTERM)

    assert [role.wait(timeout=STOPS_WITHIN) for role in roles] == [0] * len(roles)
    assert portal.pids() == []
    assert "Traceback" not in portal.output
