"""A web server that is told to stop, as real processes: who asks meanwhile is answered, and a load balancer hears of it."""

import contextlib
import http.client
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.chaos.client import FORM, form
from tests.processes import STOPS_WITHIN, PortalProcess, portal_process
from tests.waiting import until

DRAIN_SECONDS = 8  # in which a busy machine asks a few questions
LONG_SECONDS = 300


@pytest.fixture
def portal(tmp_path: Path, db: None) -> Iterator[PortalProcess]:
    """A portal that runs and drains before it stops. (`db` has this run in both sessions.)"""
    with portal_process(tmp_path, DRAIN_SECONDS=str(DRAIN_SECONDS)) as portal:
        portal.start()
        yield portal


@contextlib.contextmanager
def connection(portal: PortalProcess) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection(urlsplit(portal.url).netloc, timeout=30)
    try:
        yield client
    finally:
        client.close()


def ask(client: http.client.HTTPConnection, path: str) -> tuple[int, str, bytes]:
    """The status, the Connection header and the body of an answer."""
    client.request("GET", path)
    answer = client.getresponse()
    return answer.status, answer.headers.get("connection", ""), answer.read()


def readiness(portal: PortalProcess) -> tuple[int, dict[str, Any]]:
    """The answer of `/readyz` on a new connection."""
    with connection(portal) as client:
        status, _, body = ask(client, "/readyz")
    return status, json.loads(body)


def told_to_stop(portal: PortalProcess) -> None:
    """Tell it, as a service manager does, and wait until each of its web processes has heard."""
    assert portal.process is not None
    portal.process.send_signal(signal.SIGTERM)
    until(lambda: readiness(portal)[0] == 503)


def listens(portal: PortalProcess) -> bool:
    address = urlsplit(portal.url)
    try:
        socket.create_connection((str(address.hostname), int(address.port or 0))).close()
    except ConnectionRefusedError:
        return False
    return True


def test_it_is_not_ready_any_more_and_answers_whoever_comes_still(portal: PortalProcess) -> None:
    with connection(portal) as kept, connection(portal) as fresh:
        assert ask(kept, "/readyz/web")[:2] == (200, "")
        began = time.monotonic()

        told_to_stop(portal)

        assert readiness(portal) == (503, {"status": "not ready", "checks": {"web": "this web server is stopping"}})
        until(lambda: ask(kept, "/readyz/web")[:2] == (503, "close"))  # each of several processes hears of it by itself
        assert ask(fresh, "/healthz")[0] == 200
        assert ask(fresh, "/v1/batches")[0] == 401
    assert portal.process is not None
    assert portal.process.wait(timeout=STOPS_WITHIN) == 0
    assert time.monotonic() - began >= DRAIN_SECONDS


@pytest.mark.alike
def test_a_request_in_progress_ends_after_it_has_stopped_listening(portal: PortalProcess) -> None:
    key = portal.manage("apikey", "create", "--project", "acme", "--name", "nightly").stdout.strip()
    line = b'{"custom_id": "a"}\n'
    body = form(line * 20_000)
    with connection(portal) as client:
        client.putrequest("POST", "/v1/files")
        for name, value in (("Authorization", f"Bearer {key}"), ("Content-Type", FORM), ("Content-Length", str(len(body)))):
            client.putheader(name, value)
        client.endheaders(body[: len(body) // 2])

        told_to_stop(portal)
        until(lambda: not listens(portal))
        client.send(body[len(body) // 2 :])
        answer = client.getresponse()

        assert (answer.status, json.load(answer)["bytes"]) == (200, 20_000 * len(line))
    assert portal.process is not None
    assert portal.process.wait(timeout=STOPS_WITHIN) == 0


@pytest.mark.long
def test_a_second_signal_ends_it_at_once(tmp_path: Path, db: None) -> None:
    with portal_process(tmp_path, DRAIN_SECONDS=str(LONG_SECONDS)) as portal:
        portal.start()
        told_to_stop(portal)
        began = time.monotonic()

        portal.stop(signal.SIGTERM)

        assert time.monotonic() - began < LONG_SECONDS / 2
