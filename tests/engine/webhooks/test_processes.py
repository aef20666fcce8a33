"""A whole portal is killed between the end of a batch and its delivery, and in the middle of one. No event is lost."""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from openai import OpenAI
from standardwebhooks import Webhook

from tests.answers import say, stay_silent
from tests.cast import request_lines
from tests.processes import PortalProcess, portal_process
from tests.upstream import Upstream

pytestmark = pytest.mark.long

BATCHES = 12
PATIENCE = 120.0
_ADD = """
from django.utils import timezone
from batches.models import Project
from batches.rules.actors import COMMAND
from batches.services.webhooks import endpoints
project = Project.objects.get(slug="acme")
print(endpoints.add(project, name="", url="{url}", event_types=(), actor=COMMAND, now=timezone.now())[1])
"""


@pytest.fixture
def receiver() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def portal(tmp_path: Path, db: None) -> Iterator[PortalProcess]:
    """A portal whose leases are short. (`db` has this run in both sessions.)"""
    waits = {"LEASE_SECONDS": "2", "WEBHOOK_TIMEOUT_SECONDS": "5", "TENANT_NETWORKS": "127.0.0.0/8"}
    with portal_process(tmp_path, **waits) as portal:
        yield portal


@pytest.fixture
def client(portal: PortalProcess) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"{portal.url}/v1", api_key=_done(portal, "apikey", "create", "--project", "acme", "--name", "c")
    ) as made:
        yield made


@pytest.fixture
def secret(client: OpenAI, portal: PortalProcess, receiver: Upstream) -> str:
    """The secret of the one endpoint of the client's project."""
    return _done(portal, "shell", "--no-imports", "-c", _ADD.format(url=f"{receiver.origin}/hook"))


def test_a_portal_killed_at_any_moment_loses_no_event_and_repeats_none_under_another_id(
    portal: PortalProcess, client: OpenAI, secret: str, receiver: Upstream
) -> None:
    receiver.behave(lambda request: stay_silent() if request.repeat == 1 else say(b"ok"))  # the first try is always in hand
    portal.start()
    file = client.files.create(file=("jobs.jsonl", request_lines(3)), purpose="batch")
    batches = []
    for number in range(BATCHES):
        batches.append(client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h").id)
        if number % 4 == 3:
            time.sleep(0.3 * (number // 4))  # so that the kill meets other moments of these batches
            _kill(portal)
            portal.start()
    _until(lambda: all(client.batches.retrieve(name).status == "completed" for name in batches), portal)
    _until(lambda: {request.json["data"]["id"] for request in receiver.requests if request.repeat > 1} >= set(batches), portal)

    ids = defaultdict(set)
    for request in receiver.requests:
        event = Webhook(secret).verify(request.body, dict(request.headers))
        assert event["type"] == "batch.completed"
        ids[event["data"]["id"]].add(request.headers["webhook-id"])
    assert set(ids) == set(batches)
    assert all(len(known) == 1 for known in ids.values())


def _kill(portal: PortalProcess) -> None:
    """Kill every process of the portal with SIGKILL."""
    for pid in portal.pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    portal.wait_until_gone()


def _until(condition: Callable[[], object], portal: PortalProcess) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, portal.output
        time.sleep(0.2)


def _done(portal: PortalProcess, *words: str) -> str:
    found = portal.manage(*words)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()
