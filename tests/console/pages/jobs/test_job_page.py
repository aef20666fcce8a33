"""The page of a provider job, the acts on it, and the decisions about a job in doubt."""

import pytest
from django.test import Client
from pytest_django import Settings

from batches.models import AuditEntry, Batch, ProviderJob, Role
from batches.rules.execution import IncidentCode, JobState, Recall
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch, SignIn
from tests.console.jobs import incident_of, make_job


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=3, remark="Nightly")
    Batch.objects.filter(pk=batch.pk).update(execution="delegated", execution_reason="The batch asks for it.")
    batch.refresh_from_db()
    return batch


@pytest.fixture
def doubtful(batch: Batch) -> ProviderJob:
    note = "The provider has 2 jobs that may be it: batch_1, batch_2."
    held = IncidentCode.AMBIGUOUS
    return make_job(batch, state=JobState.UNCERTAIN, incident=held, incident_note=note, candidates=["batch_1", "batch_2"])


def address(job: ProviderJob, path: str = "") -> str:
    return f"/console/jobs/{job.pk}/{path}"


def page(client: Client, job: ProviderJob, path: str = "") -> str:
    answer = client.get(address(job, path))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_job_is_shown_with_both_counts_its_cost_and_no_credential(console: Client, batch: Batch) -> None:
    job = make_job(
        batch,
        state=JobState.ENDED,
        remote_id="batch_7",
        word="completed",
        ending="completed",
        succeeded=1990,
        failed=4,
        duplicates=6,
        reported_succeeded=2000,
        reported_failed=None,
        cost_nanos=1_000_000_000,
        direct_cost_nanos=2_000_000_000,
        wasted_nanos=250_000_000,
        attempt=2,
        former_credential=b"gAAAA-never-shown",
        former_base_url="https://never-shown.example",
    )
    text = page(console, job)
    for words in ("attempt 2", "batch_7", "“completed”", "1,996", "differs", "unknown", "1.0000", "2.0000", "0.2500", "0.7500"):
        assert words in text
    assert "never-shown" not in text


def test_a_live_page_sends_only_what_has_changed(console: Client, batch: Batch) -> None:
    job = make_job(batch)
    answer = console.get(address(job), headers={"X-Requested-With": "fragment"})
    tag = answer.headers["ETag"]
    headers = {"X-Requested-With": "fragment", "If-None-Match": tag}
    assert console.get(address(job), headers=headers).status_code == 304
    ProviderJob.objects.update(succeeded=5)
    changed = console.get(address(job), headers={**headers, "X-Known-Regions": tag}).content.decode()
    assert 'id="job-counts"' in changed
    assert 'id="job-acts"' not in changed


def test_a_job_is_looked_at_and_taken_back(member: SignIn, batch: Batch) -> None:
    client, job = member(Role.OPERATOR), make_job(batch)
    assert client.post(address(job, "look/")).headers["Location"] == address(job)
    assert "Results that simulator finished until then are collected" in page(client, job, "recall/")
    client.post(address(job, "recall/"), {"reason": "Their outage"})
    job.refresh_from_db()
    assert job.recall == Recall.PERSON
    text = page(client, job)
    assert "Being taken back" in text
    assert "Their outage" in text, "its acts stand on its page"
    assert set(AuditEntry.objects.values_list("act", "target_id")) == {
        ("look_at_job", str(job.pk)),
        ("recall_job", str(job.pk)),
    }


def test_a_viewer_sees_and_does_nothing(member: SignIn, doubtful: ProviderJob) -> None:
    client = member(Role.VIEWER)
    text = page(client, doubtful)
    assert "batch_1, batch_2" in text
    assert "adopt" not in text
    answer = client.post(address(doubtful, "leave/"))
    assert answer.status_code == 403
    assert "Leaving the requests of a provider job to others needs the operator role" in answer.content.decode()
    doubtful.refresh_from_db()
    assert doubtful.recall == ""


def test_the_ids_of_an_ambiguous_job_are_offered_and_one_is_adopted(console: Client, doubtful: ProviderJob) -> None:
    form = page(console, doubtful, "adopt/")
    assert '<option value="batch_1">' in form
    wrong = console.post(address(doubtful, "adopt/"), {"remote_id": "no id"})
    assert wrong.status_code == 422
    assert "no spaces" in wrong.content.decode()
    console.post(address(doubtful, "adopt/"), {"remote_id": "batch_2", "reason": ""})
    doubtful.refresh_from_db()
    assert (doubtful.state, doubtful.remote_id) == (JobState.RUNNING, "batch_2")
    assert incident_of(doubtful).resolution == "It is job batch_2."


@pytest.mark.parametrize(
    ("word", "state"), [("recreate", JobState.PREPARING), ("leave", JobState.UNCERTAIN)], ids=["recreate", "leave"]
)
def test_a_decision_is_asked_for_made_and_not_offered_again(
    console: Client, doubtful: ProviderJob, word: str, state: JobState
) -> None:
    assert address(doubtful, f"{word}/") in page(console, doubtful)
    page(console, doubtful, f"{word}/")
    console.post(address(doubtful, f"{word}/"), {"reason": "Asked their support"})
    doubtful.refresh_from_db()
    assert doubtful.state == state
    assert address(doubtful, f"{word}/") not in page(console, doubtful)
    assert console.get(address(doubtful, f"{word}/")).status_code == 302


def test_a_decision_that_comes_too_late_says_so(console: Client, doubtful: ProviderJob) -> None:
    ProviderJob.objects.update(state=JobState.RUNNING, remote_id="batch_1")
    answer = console.post(address(doubtful, "recreate/"), follow=True)
    assert "This job is not in doubt any more: its state is “running”." in answer.content.decode()


def test_an_incident_is_resolved_with_a_note(console: Client, batch: Batch) -> None:
    job = make_job(batch, incident=IncidentCode.MISSING_ROWS, incident_note="2,000 requests were sent, and 1,990 results came.")
    assert "1,990 results came" in page(console, job)
    assert console.post(address(job, "incidents/missing_rows/"), {"reason": ""}).status_code == 422
    console.post(address(job, "incidents/missing_rows/"), {"reason": "They were refunded."})
    assert incident_of(job).resolution == "They were refunded."
    assert "Resolved incidents" in page(console, job)
    assert console.get(address(job, "incidents/refused/")).status_code == 404


def test_an_incident_needs_attention_on_the_overview(console: Client, doubtful: ProviderJob) -> None:
    text = console.get("/console/overview/").content.decode()
    assert "Several jobs at the provider may be this one" in text
    assert address(doubtful) in text
    assert "Every provider and batch makes progress" not in text


def test_the_pages_of_a_batch_say_how_it_runs(console: Client, batch: Batch, doubtful: ProviderJob) -> None:
    make_job(batch, succeeded=2000, cost_nanos=10**9, direct_cost_nanos=2 * 10**9, duplicates=3)
    for path in ("", "jobs/"):
        text = console.get(f"/console/batches/{batch}/{path}").content.decode()
        assert "The batch asks for it." in text
        assert f"/console/batches/{batch}/jobs/" in text
    assert address(doubtful) in text
    assert "2 open" in text


def test_a_batch_without_jobs_has_no_tab_for_them(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    assert "/jobs/" not in console.get(f"/console/batches/{batch}/").content.decode().partition('aria-label="Pages of this')[2]
    assert "had no provider jobs" in console.get(f"/console/batches/{batch}/jobs/").content.decode()


def test_the_page_of_a_provider_tells_of_its_batch_api(member: SignIn, batch: Batch) -> None:
    batch.provider.jobs_family = "groq"
    batch.provider.max_open_jobs = 7
    batch.provider.save()
    make_job(batch, failure="The queue is full.")
    text = member(Role.VIEWER).get("/console/providers/simulator/").content.decode()
    for words in (
        "1 of 7 now",
        "2,000 requests",
        "The queue is full.",
        "the more jobs, the rarer the checks",
        "50,000 requests",
    ):
        assert words in text


def test_two_batches_are_compared_by_how_they_ran(console: Client, batch: Batch, make_batch: MakeBatch) -> None:
    direct = make_batch(succeeded=1)
    make_job(batch, duplicates=3, wasted_nanos=5 * 10**8, cost_nanos=10**9, direct_cost_nanos=2 * 10**9)
    text = console.get(f"/console/batches/{batch}/compare/?with={direct}").content.decode()
    for words in ("delegated", "direct", "Duplicates and too late", "0.5000"):
        assert words in text
    plain = console.get(f"/console/batches/{direct}/compare/?with={make_batch(succeeded=1)}").content.decode()
    assert "Duplicates and too late" not in plain


def test_a_message_of_the_provider_is_withheld_from_who_may_read_no_bodies(
    member: SignIn, batch: Batch, settings: Settings
) -> None:
    settings.BODIES_ROLE = "admin"
    batch.provider.jobs_family = "openai"
    batch.provider.save()
    secret = "Line 3 says Ada has the flu."
    job = make_job(
        batch, state=JobState.REFUSED, failure=secret, note=secret, incident=IncidentCode.REFUSED, incident_note=secret
    )
    client = member(Role.OPERATOR)
    paths = [f"jobs/{job.pk}/", f"jobs/{job.pk}/incidents/refused/", f"batches/{batch}/jobs/", "overview/"]
    for path in [*paths, "providers/simulator/", "jobs/export.csv", "jobs/export.jsonl"]:
        answer = client.get(f"/console/{path}")
        assert secret not in (answer.getvalue() if answer.streaming else answer.content).decode(), path
    assert secret in page(member(Role.ADMIN), job)
