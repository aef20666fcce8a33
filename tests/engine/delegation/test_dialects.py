"""Delegated batches as clients see them: official SDKs and gateways ask for them, follow them and read their results."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic
from django.utils import timezone
from openai import OpenAI
from pytest_django.live_server_helper import LiveServer

from batches.models import Batch, ProviderJob
from batches.rules.execution import JobState
from batches.services.delegation.take_back import recall_due
from batches.services.lifecycle.validate import validate
from tests.batch_apis import BatchApis
from tests.cast import CHAT
from tests.dialects.bifrost.conftest import BATCHES, Bifrost
from tests.engine.delegation.conftest import MESSAGES, Stage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alike]
of_openai = pytest.mark.parametrize("family", ["openai"], indirect=True)
of_anthropic = pytest.mark.parametrize("family", ["anthropic"], indirect=True)


def lines(count: int, *, refused: int = -1) -> bytes:
    """An input file. The provider refuses the request with this number, from 0."""
    rows = (
        {"custom_id": f"row-{n}", "method": "POST", "url": CHAT, "body": {"model": "m", "messages": said(n == refused)}}
        for n in range(count)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def said(refused: bool) -> list[dict[str, str]]:
    return [{"role": "user", "content": "[400]" if refused else "hi"}]


def checked() -> Batch:
    """The only batch, whose input was checked."""
    validate(Batch.objects.get().pk, now=timezone.now())
    return Batch.objects.select_related("provider", "project").get()


@pytest.fixture
def openai(live_server: LiveServer, key: str) -> Iterator[OpenAI]:
    url = f"{live_server.url}/v1"
    with OpenAI(base_url=url, api_key=key, max_retries=0, _strict_response_validation=True) as client:
        yield client


@pytest.fixture
def anthropic(live_server: LiveServer, key: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=live_server.url, api_key=key, max_retries=0, _strict_response_validation=True) as client:
        yield client


@of_openai
def test_openais_sdk_reads_a_delegated_batch_as_any_other(stage: Stage, openai: OpenAI) -> None:
    file = openai.files.create(file=("jobs.jsonl", lines(12, refused=3)), purpose="batch")
    batch = openai.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", extra_body={"execution": "delegated"}
    )
    assert batch.status == "validating"
    started = checked()
    assert started.execution == "delegated"

    stage.work()
    running = openai.batches.retrieve(batch.id)
    assert running.status == "in_progress"
    assert running.request_counts is not None
    assert (running.request_counts.total, running.request_counts.completed, running.request_counts.failed) == (12, 0, 0)
    assert running.output_file_id is None

    stage.play(started)
    done = openai.batches.retrieve(batch.id)
    assert done.status == "completed"
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (12, 11, 1)
    assert done.output_file_id is not None
    assert done.error_file_id is not None
    output = [json.loads(line) for line in openai.files.content(done.output_file_id).text.splitlines()]
    assert [row["custom_id"] for row in output] == [f"row-{n}" for n in range(12) if n != 3]
    assert {row["response"]["status_code"] for row in output} == {200}
    (failed,) = (json.loads(line) for line in openai.files.content(done.error_file_id).text.splitlines())
    assert failed["custom_id"] == "row-3"
    assert [found.id for found in openai.batches.list()] == [batch.id]


@of_openai
def test_openais_sdk_cancels_a_delegated_batch_and_gets_what_was_done(stage: Stage, openai: OpenAI) -> None:
    file = openai.files.create(file=("jobs.jsonl", lines(12)), purpose="batch")
    batch = openai.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", extra_body={"execution": "delegated"}
    )
    checked()
    stage.work()

    assert openai.batches.cancel(batch.id).status == "cancelling"
    recall_due(now=timezone.now())
    stage.until(lambda: not ProviderJob.objects.open().exists())
    stage.end(Batch.objects.get())

    ended = openai.batches.retrieve(batch.id)
    assert ended.status == "cancelled"
    cancels = [path for method, path in stage.apis.world.calls if method == "POST" and path.endswith("/cancel")]
    assert len(cancels) == len(stage.apis.jobs) == 2


@of_anthropic
def test_anthropics_sdk_reads_a_delegated_batch_as_any_other(stage: Stage, anthropic: Anthropic) -> None:
    """Its contract has no word for the execution, so that the project asks for it."""
    stage.project.execution = "delegated"
    stage.project.save()
    batches = anthropic.messages.batches
    batch = batches.create(
        requests=[
            {"custom_id": f"row-{n}", "params": {"model": "m", "max_tokens": 9, "messages": said(n == 3)}}  # type: ignore[typeddict-item]
            for n in range(12)
        ]
    )
    started = checked()
    assert (started.execution, started.endpoint) == ("delegated", MESSAGES)

    stage.work()
    running = batches.retrieve(batch.id)
    assert (running.processing_status, running.results_url, running.request_counts.processing) == ("in_progress", None, 12)

    stage.play(started)
    ended = batches.retrieve(batch.id)
    assert ended.processing_status == "ended"
    assert (ended.request_counts.succeeded, ended.request_counts.errored) == (11, 1)
    results = {row.custom_id: row.result.type for row in batches.results(batch.id)}
    assert results == {f"row-{n}": "errored" if n == 3 else "succeeded" for n in range(12)}


@of_openai
def test_a_gateway_is_told_the_truth_about_the_jobs(stage: Stage, key: str, apis: BatchApis) -> None:
    api = Bifrost(key)
    items = [{"custom_id": f"row-{n}", "body": {"model": "m", "messages": said(n == 3)}} for n in range(8)]
    created = api.create(*items, model="local/m", execution="delegated").json
    batch_id = created["id"]
    assert created["operation_name"] == f"batches/{batch_id}", "nothing is at the provider yet"
    started = checked()

    stage.work()
    running = read(api, batch_id)
    (job,) = ProviderJob.objects.all()
    assert running["operation_name"] == job.remote_id == apis.jobs[0].id
    assert (running["done"], running["processing_status"], running["status"]) == (False, "in_progress", "in_progress")
    assert "results_url" not in running
    extra = running["extra_fields"]
    assert extra["provider_job_count"] == 1
    assert extra["provider_jobs"][0]["operation_name"] == job.remote_id
    assert (extra["provider_jobs"][0]["status"], extra["provider_jobs"][0]["done"]) == (job.word, False)

    ProviderJob.objects.update(reported_total=8, reported_succeeded=5, reported_failed=1)
    running = read(api, batch_id)
    assert running["progress"] == 75, "as the provider counts"
    assert running["request_counts"] == {"total": 8, "completed": 0, "failed": 0, "pending": 8}
    assert running["extra_fields"]["provider_jobs"][0]["request_counts"] == {"total": 8, "completed": 5, "failed": 1}
    ProviderJob.objects.update(reported_succeeded=7)
    assert read(api, batch_id)["progress"] == 99, "the results are not here yet"

    stage.play(started)
    ended = read(api, batch_id)
    assert (ended["done"], ended["progress"], ended["processing_status"]) == (True, 100, "ended")
    assert ended["operation_name"] == job.remote_id
    assert ended["results_url"].endswith(f"{BATCHES}/{batch_id}/results?provider=local")
    assert ended["request_counts"] == {"total": 8, "completed": 7, "failed": 1, "succeeded": 7}
    assert ended["extra_fields"]["provider_jobs"][0]["done"] is True


@of_openai
def test_a_batch_in_several_jobs_keeps_its_own_name_and_lists_theirs(stage: Stage, key: str) -> None:
    api = Bifrost(key)
    batch_id = api.create(
        *({"custom_id": f"row-{n}", "body": {"model": "m", "messages": []}} for n in range(25)),
        model="local/m",
        execution="delegated",
    ).json["id"]
    checked()
    stage.work()

    shown = read(api, batch_id)

    assert shown["operation_name"] == f"batches/{batch_id}"
    extra = shown["extra_fields"]
    assert extra["provider_job_count"] == len(extra["provider_jobs"]) == 3
    remote = set(ProviderJob.objects.values_list("remote_id", flat=True))
    assert {job["operation_name"] for job in extra["provider_jobs"]} == remote
    listed = api.get(f"{BATCHES}?provider=local").json
    assert [one["operation_name"] for one in listed["data"]] == [f"batches/{batch_id}"]


@of_openai
def test_a_batch_that_was_handed_over_stands_at_its_provider(stage: Stage, key: str) -> None:
    api = Bifrost(key)
    batch = stage.batch(25)
    stage.work()
    shown = api.get(f"/api/v1/batches/{batch}").json
    assert (shown["state"]["code"], shown["waiting"]["code"]) == ("at_provider", "at_provider")
    assert shown["state"]["sentence"] == "3 jobs with 25 requests are at local. 0 of 25 requests have finished."
    assert shown["waiting"]["details"] == {"provider": "local", "jobs_running": 3, "held": 0, "recalled": 0}
    assert {job.state for job in stage.jobs(batch)} == {JobState.RUNNING}


def read(api: Bifrost, batch_id: str) -> Any:
    answer = api.get(f"{BATCHES}/{batch_id}?provider=local")
    assert answer.status == 200, answer.content
    return answer.json
