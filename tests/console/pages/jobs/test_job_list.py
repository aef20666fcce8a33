"""The list of provider jobs: what it shows to whom, its export, and what it costs."""

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import Batch, Project, ProviderJob, Role
from batches.rules.execution import IncidentCode, JobState
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch, SignIn
from tests.console.jobs import make_job

LIST = "/console/jobs/"
ROW = re.compile(r'id="job-([0-9a-f]{32})"')


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, pending=1, remark="Nightly")


def page(client: Client, query: str = "") -> str:
    answer = client.get(LIST + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_job_is_told_with_both_sides_and_an_unknown_count_is_not_0(console: Client, batch: Batch) -> None:
    make_job(batch, remote_id="batch_7", word="in_progress", succeeded=1200, reported_total=2000, reported_succeeded=1300)
    make_job(batch, state=JobState.UNCERTAIN, incident=IncidentCode.UNCERTAIN)
    text = page(console)
    for words in ("Nightly", "batch_7", "“in_progress”", "1,200 of 2,000 collected", "1,300 of 2,000 succeeded · failed unknown"):
        assert words in text
    assert "Needs a decision" in text
    assert '<span class="hint">unknown</span>' in text


def test_jobs_are_paged_and_sorted_by_key(console: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batches.console.pages.jobs.job_list.PAGE_SIZE", 2)
    now = timezone.now()
    hours = [5, 1, None, 3]
    jobs = [make_job(batch, poll_at=hour and now + timedelta(hours=hour)) for hour in hours]
    expected = [jobs[1], jobs[3], jobs[0], jobs[2]]  # those without a next look come last
    first = page(console, "?sort=look")
    assert ROW.findall(first) == [job.pk.hex for job in expected[:2]]
    forward = re.search(r'rel="next" href="([^"]+)"', first)
    assert forward
    assert ROW.findall(page(console, forward[1].replace("&amp;", "&"))) == [job.pk.hex for job in expected[2:]]
    assert ROW.findall(page(console)) == [job.pk.hex for job in (jobs[3], jobs[2])]


def test_a_filter_that_is_not_understood_shows_nothing(console: Client, batch: Batch) -> None:
    make_job(batch)
    text = page(console, "?state=lost")
    assert "This filter was not understood, so nothing is shown." in text
    assert not ROW.search(text)
    assert "There is no filter" in page(console, "?colour=red")
    assert "cannot be sorted" in page(console, "?sort=cost")


def test_members_see_the_jobs_of_their_projects(
    member: SignIn, batch: Batch, other_project: Project, make_batch: MakeBatch
) -> None:
    make_job(batch, remote_id="batch_ours")
    make_job(make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project), remote_id="batch_theirs")
    text = page(member(Role.VIEWER))
    assert "batch_ours" in text
    assert "batch_theirs" not in text
    assert 'id="bulk"' not in text, "a viewer acts on nothing"
    exported = b"".join(member(Role.OPERATOR).get("/console/jobs/export.jsonl").streaming_content)  # type: ignore[attr-defined]
    assert [json.loads(line)["remote_id"] for line in exported.splitlines()] == ["batch_ours"]


def test_an_empty_list_says_what_would_be_in_it(console: Client, batch: Batch) -> None:
    assert "No provider jobs yet" in page(console)
    make_job(batch)
    assert "No provider job matches" in page(console, "?state=refused")


def exported(client: Client, query: str) -> list[dict[str, object]]:
    answer = client.get(f"{LIST}export.jsonl{query}")
    return [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]  # type: ignore[attr-defined]


def test_exports_obey_the_filter_and_run_no_formula(console: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batches.console.pages.jobs.job_export.PIECE", 2)
    jobs = [make_job(batch, note="=1+1", cost_nanos=1_500_000_000, incident=IncidentCode.GONE) for _ in range(5)]
    make_job(batch, state=JobState.ENDED)
    records = exported(console, "?state=running")
    assert [record["id"] for record in records] == [str(job.pk) for job in reversed(jobs)]
    unpriced = make_job(batch, unpriced=3, state=JobState.REFUSED)
    (unknown,) = exported(console, "?state=refused")
    assert [unknown[name] for name in ("id", "cost", "direct_cost", "wasted")] == [str(unpriced.pk), None, None, None]
    assert (records[0]["cost"], records[0]["reported_total"], records[0]["incidents"]) == ("1.500000000", None, "gone")
    table = b"".join(console.get("/console/jobs/export.csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert table.count("\n") == 8
    assert "'=1+1" in table
    assert console.get("/console/jobs/export.csv?state=lost").status_code == 400


def test_the_number_of_queries_does_not_grow(
    console: Client,
    batch: Batch,
    make_batch: MakeBatch,
    count_queries: Callable[[Callable[[], object]], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("batches.console.account.session_life.SEEN_IS_NOTED_EVERY", float("inf"))  # ten thousand rows take long
    job = make_job(batch, incident=IncidentCode.GONE)
    addresses = (LIST, f"{LIST}?view=attention", f"{LIST}{job.pk}/", f"/console/batches/{batch}/jobs/", "/console/overview/")
    few = {address: count_queries(lambda address=address: console.get(address)) for address in addresses}  # type: ignore[misc]
    now = timezone.now()
    more = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    ProviderJob.objects.bulk_create(
        ProviderJob(
            id=(key := uuid7()),
            batch=batch if number % 2 else more,
            provider=batch.provider,
            family="openai",
            window="24h",
            marker=f"by{key.hex}",
            first_line=1,
            last_line=2000,
            rows=2000,
            created_at=now,
            updated_at=now,
        )
        for number in range(10_000)
    )
    for number in range(20):
        make_job(batch, incident=list(IncidentCode)[number % 6])
    many = {address: count_queries(lambda address=address: console.get(address)) for address in addresses}  # type: ignore[misc]
    assert {address: number for address, number in many.items() if number > few[address] + 1} == {}
    assert max(few[address] for address in addresses[:3]) <= 16
    assert "10,000+" in page(console)
