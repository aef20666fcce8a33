"""A hybrid batch of the official client, over a whole portal and a stand-in that both run as real processes.

The provider finishes 60 % of each job and then stalls. The deadline is moved near, and passes only after the batch has ended.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.cast import request_lines
from tests.processes import ROOT, PortalProcess, portal_process

pytestmark = pytest.mark.long

ROWS = 50
SECONDS = 60  # of the window, of which half is kept for direct calls
PATIENCE = 120.0
_SET_UP = """
from batches.models import Project
from providers.models import Provider
Project.objects.update(may_delegate=True, execution="hybrid")
provider = Provider.objects.get(name="local")
provider.jobs_family = "openai"
provider.set_credential("sk-test-0123456789")
provider.save()
"""
_NEAR_DEADLINE = f"""
from datetime import timedelta
from django.db.models import F
from django.utils import timezone
from batches.models import Batch
now = timezone.now()
Batch.objects.update(created_at=now, expires_at=now + timedelta(seconds={SECONDS}))
"""
_TELL = """
import json
from batches.models import Batch, Event, ProviderJob
batch = Batch.objects.get()
jobs = list(ProviderJob.objects.values("state", "recall", "rows", "succeeded", "never_ran", "duplicates"))
acts = list(Event.objects.exclude(act="").values_list("act", "note"))
print(json.dumps({"jobs": jobs, "acts": acts, "in_time": batch.ended_at < batch.expires_at}))
"""


class StandIn:
    """The stand-in of the batch APIs as a process."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def tell(self, path: str, body: Any) -> None:
        request = urllib.request.Request(f"{self.origin}/admin/{path}", data=json.dumps(body).encode(), method="POST")  # noqa: S310
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - an address of our own

    def jobs(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.origin}/admin/jobs", timeout=10) as answer:  # noqa: S310
            found: list[dict[str, Any]] = json.load(answer)
            return found


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with subprocess.Popen([sys.executable, "-m", "tests.batch_apis"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield StandIn(process.stdout.readline().strip())
        process.terminate()


@pytest.fixture
def portal(tmp_path: Path, stand_in: StandIn, db: None) -> Iterator[PortalProcess]:
    """A portal whose provider is the stand-in, for direct calls and for jobs. (`db` has this run in both sessions.)"""
    waits = {"JOB_POLL_SECONDS": "1", "JOB_GRACE_SECONDS": "2", "JOB_ROWS": "10", "SLICE_LINES": "5"}
    with portal_process(tmp_path, **waits) as portal:
        origin = f"{stand_in.origin}/v1"
        done(portal, "provider", "add", "local", "--adapter", "openai", "--base-url", origin, "--default")
        portal.start()
        yield portal


def done(portal: PortalProcess, *words: str) -> str:
    found = portal.manage(*words)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def until(condition: Callable[[], object], portal: PortalProcess) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, portal.output
        time.sleep(0.2)


def test_a_batch_whose_provider_stalls_ends_before_its_deadline_with_all_results(
    portal: PortalProcess, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = done(portal, "apikey", "create", "--project", "acme", "--name", "client")
    done(portal, "shell", "--no-imports", "-c", _SET_UP)
    stand_in.tell("plans", [{"ending": "stuck", "answered": 0.6, "cancel_seconds": 1.0}] * (ROWS // 10))

    with OpenAI(base_url=f"{portal.url}/v1", api_key=key, max_retries=0) as client:
        file = client.files.create(file=("jobs.jsonl", request_lines(ROWS)), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        until(lambda: len(stand_in.jobs()) == ROWS // 10, portal)
        stand_in.tell("clock", {"seconds": 600.0})
        done(portal, "shell", "--no-imports", "-c", _NEAR_DEADLINE)
        until(lambda: any(job["phase"] == "cancelling" for job in stand_in.jobs()), portal)

        def has_ended() -> bool:
            stand_in.tell("clock", {"seconds": 1.0})
            return client.batches.retrieve(batch.id).status == "completed"

        until(has_ended, portal)
        found = client.batches.retrieve(batch.id)
        assert found.output_file_id is not None
        lines = [json.loads(line) for line in client.files.content(found.output_file_id).text.splitlines()]

    assert [line["custom_id"] for line in lines] == [f"row-{number}" for number in range(1, ROWS + 1)]
    told = json.loads(done(portal, "shell", "--no-imports", "-c", _TELL))
    assert told["in_time"]
    assert [(job["recall"], job["rows"], job["succeeded"]) for job in told["jobs"]] == [("late", 10, 6)] * 5
    assert [act for act, _ in told["acts"]] == ["handed_over", "taken_back", "sent_directly"]
    assert told["acts"][1][1] == "5 jobs with 50 requests would miss the deadline."
    assert done(portal, "verify", "--check")
