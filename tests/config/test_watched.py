"""A portal as those see it who watch it: metrics of all its processes on one page, and logs of each role as JSON."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.processes import STARTS_WITHIN, PortalProcess, portal_process
from tests.servers import free_port

REQUESTS = 300
LINE = {"method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": [{"role": "user", "content": "hi"}]}}


@pytest.fixture
def portal(tmp_path: Path, db: None) -> Iterator[PortalProcess]:
    """A portal that is not started yet. (`db` has this run in both sessions; nothing here touches that database.)"""
    with portal_process(tmp_path, METRICS_CACHE_SECONDS="0.1", LOG_FORMAT="json") as portal:
        yield portal


Samples = dict[tuple[str, ...], float]


def samples(portal: PortalProcess) -> Samples:
    """The samples of `/metrics`: by name and values of labels."""
    page = httpx.get(f"{portal.url}/metrics", timeout=30)
    assert page.status_code == 200
    families = text_string_to_metric_families(page.text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_any_web_process_tells_what_all_processes_have_counted(portal: PortalProcess) -> None:
    portal.start()
    key = portal.manage("apikey", "create", "--project", "acme", "--name", "watched").stdout.strip()
    input_lines = "".join(json.dumps(LINE | {"custom_id": f"r{number}"}) + "\n" for number in range(REQUESTS))
    with httpx.Client(base_url=f"{portal.url}/v1", headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        file = client.post("/files", files={"file": ("in.jsonl", input_lines)}, data={"purpose": "batch"}).json()
        wanted = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = client.post("/batches", json=wanted).json()

        deadline = time.monotonic() + STARTS_WITHIN
        seen: list[Samples] = []
        while not seen or seen[-1].get(("batchyard_batches_ended_total", "completed"), 0) < 1:
            assert time.monotonic() < deadline, (client.get(f"/batches/{batch['id']}").json(), portal.output)
            seen.append(samples(portal))
            time.sleep(0.1)
        # Requests are told within seconds of the first one; each page is of any of the web processes.
        while seen[-1].get(("batchyard_http_requests_total", "openai", "2xx"), 0) < 2:
            assert time.monotonic() < deadline, portal.output
            seen.append(samples(portal))
            time.sleep(0.1)

    settled = [page.get(("batchyard_objects_settled_total", "succeeded"), 0) for page in seen]
    assert settled == sorted(settled)
    last = seen[-1]
    assert settled[-1] == last["batchyard_attempts_total", "succeeded", "simulator"] == REQUESTS
    assert last["batchyard_batches_submitted_total",] == 1
    assert last["batchyard_attempt_seconds_count", "simulator"] == REQUESTS
    assert last["batchyard_workers", "control"] >= 1
    assert last["batchyard_reconcile_age_seconds",] < 30
    roles = {labels[0] for name, *labels in last if name == "batchyard_process_resident_memory_bytes"}
    assert roles in ({"embedded"}, {"web", "control", "execute"})
    assert {value for (name, *_), value in last.items() if name == "batchyard_source_up"} == {1}


def objects(portal: PortalProcess) -> list[dict[str, Any]]:
    """The lines of the log. A line that is no object fails."""
    return [json.loads(line) for line in portal.output.splitlines()]


@pytest.mark.once
@pytest.mark.parametrize("role", ["web", "control", "beat"])
def test_each_role_writes_one_object_a_line(portal: PortalProcess, role: str) -> None:
    nowhere = free_port()  # no server listens there, which each role has to say something about
    portal.environment |= {
        "DATABASE_URL": f"postgres://u:a-long-password@127.0.0.1:{nowhere}/x",
        "REDIS_URL": f"redis://:another-password@127.0.0.1:{nowhere}/0",
    }
    portal.process = portal.spawn("serve", role)

    deadline = time.monotonic() + STARTS_WITHIN
    while not any(found["level"] in ("WARNING", "ERROR") for found in objects(portal)):
        assert time.monotonic() < deadline, portal.output
        if role == "web":
            with contextlib.suppress(httpx.TransportError):  # it is about to start
                httpx.get(f"{portal.url}/metrics", timeout=30)
        time.sleep(0.1)

    for found in objects(portal):
        assert {"time", "level", "logger", "message", "process"} <= found.keys()
    assert "password" not in portal.output


@pytest.mark.once
def test_a_page_without_a_database_says_so_and_is_there_all_the_same(portal: PortalProcess) -> None:
    nowhere = free_port()
    portal.environment |= {"DATABASE_URL": f"postgres://u@127.0.0.1:{nowhere}/x", "REDIS_URL": f"redis://127.0.0.1:{nowhere}/0"}
    portal.process = portal.spawn("serve", "web")

    deadline = time.monotonic() + STARTS_WITHIN
    while "web" in portal.lacks():
        assert time.monotonic() < deadline, portal.output
        time.sleep(0.1)
    found = samples(portal)

    assert {value for (name, *_), value in found.items() if name == "batchyard_source_up"} == {0}
    assert [name for name, *_ in found if name == "batchyard_build_info"] == ["batchyard_build_info"]
