"""The process that erases is killed with SIGKILL at random moments. The worker goes on, and nothing of the values is left."""

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import sleep

import psycopg
import pytest
from openai import OpenAI

from tests.cast import request_lines
from tests.processes import PortalProcess, portal_process
from tests.waiting import until

pytestmark = pytest.mark.long

BATCHES = 8
LINES = 60  # of each input: every batch has every name
ROUNDS = 8
LATEST = 1.0  # seconds after its beginning until an erasure is killed


@pytest.fixture
def portal(tmp_path: Path, db: None) -> Iterator[PortalProcess]:
    """A portal whose leases are short. (`db` has this run in both sessions.)"""
    with portal_process(tmp_path, LEASE_SECONDS="2") as portal:
        yield portal


@pytest.fixture
def client(portal: PortalProcess) -> Iterator[OpenAI]:
    key = done(portal, "apikey", "create", "--project", "acme", "--name", "c")
    with OpenAI(base_url=f"{portal.url}/v1", api_key=key) as made:
        yield made


def test_a_killed_erasure_is_gone_on_with_and_nothing_is_left(portal: PortalProcess, client: OpenAI) -> None:
    run_batches(portal, client)
    names = [f"patient-{number}" for number in range(1, ROUNDS + 1)]
    assert names[0] in everything(portal)
    killed = [is_killed(portal, name) for name in names]
    assert any(killed), "none was killed in its middle"

    portal.start()
    until(lambda: running(portal) == 0, pause=0.2)
    portal.stop()
    portal.wait_until_gone()

    text = everything(portal)
    assert [name for name in names if f'{name}\\"' in text or f'{name}"' in text] == []
    assert f"patient-{LINES}" in text, "the other names stay"
    assert count(portal, "SELECT count(*) FROM batches_erasure WHERE ended_at IS NOT NULL") == ROUNDS
    done(portal, "verify", "--check")


def run_batches(portal: PortalProcess, client: OpenAI) -> None:
    """Let batches with the same names run to their end; and stop the portal."""
    portal.start()
    content = request_lines(LINES, prefix="patient")
    for _ in range(BATCHES):
        file = client.files.create(file=("jobs.jsonl", content), purpose="batch")
        client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    until(lambda: count(portal, "SELECT count(*) FROM batches_batch WHERE status = 'completed'") == BATCHES, pause=0.2)
    portal.stop()
    portal.wait_until_gone()


def is_killed(portal: PortalProcess, name: str) -> bool:
    """Whether a process that erases a name was killed before its erasure had ended."""
    before = count(portal, "SELECT count(*) FROM batches_erasure")
    process = portal.spawn("erase", "run", "acme", "--custom-id", name, "--reason", "A letter.")
    until(lambda: count(portal, "SELECT count(*) FROM batches_erasure") > before)
    left = running(portal)
    sleep(random.uniform(0, LATEST))
    process.kill()
    process.wait()
    return left > 0 and running(portal) >= left


def running(portal: PortalProcess) -> int:
    """How many erasures have not ended."""
    return count(portal, "SELECT count(*) FROM batches_erasure WHERE ended_at IS NULL")


def everything(portal: PortalProcess) -> str:
    """Every row of the database, and every byte of the file storage."""
    rows = done(portal, "dumpdata", "batches", "providers")
    assert json.loads(rows)
    stored = [path.read_bytes().decode(errors="replace") for path in (portal.folder / "files").rglob("*") if path.is_file()]
    assert stored
    return "\n".join([rows, *stored])


def count(portal: PortalProcess, query: str) -> int:
    """The answer to a query, asked without the portal."""
    url = portal.environment.get("DATABASE_URL")
    if url:
        with psycopg.connect(url) as server:
            return int((server.execute(query.encode()).fetchone() or [0])[0])
    with closing(sqlite3.connect(portal.folder / "batchyard.sqlite3", timeout=30)) as database:
        return int(database.execute(query).fetchone()[0])


def done(portal: PortalProcess, *words: str) -> str:
    """The output of a management command, which must succeed."""
    found = portal.manage(*words)
    assert found.returncode == 0, found.stderr + found.stdout
    return found.stdout.strip()
