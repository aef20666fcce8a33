"""The provider jobs of a batch in the native API, and the acts on one."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import ApiKey, AuditEntry, Batch, Project, ProviderJob, Scope
from batches.rules.execution import IncidentCode
from batches.services.delegation.creating.hand_over import hand_over
from batches.services.delegation.incidents import open_incident
from providers.models import Provider
from tests.api.conftest import Native
from tests.cast import provider_at, request_lines, started

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """A running batch of 25 requests in three jobs."""
    settings.SLICE_LINES, settings.JOB_ROWS = 5, 10
    project.may_delegate = True
    project.save()
    provider_at("http://127.0.0.1:9", jobs_family="openai")
    batch, now = started(project, request_lines(25), execution="hybrid"), timezone.now()
    hand_over(batch.pk, now=now)
    ProviderJob.objects.update(state="running", sent_at=now, poll_at=now + timedelta(minutes=1), remote_id="batch_1")
    return batch


@pytest.fixture
def api(key: str, batch: Batch) -> Native:
    return Native(key)


def jobs(api: Native, batch: Batch, query: str = "") -> Any:
    answer = api.get(f"batches/{batch}/provider_jobs{query}")
    assert answer.status == 200, answer.content
    return answer.json


def path(batch: Batch, job: ProviderJob, act: str) -> str:
    return f"batches/{batch}/provider_jobs/job_{job.pk.hex}/{act}"


def test_a_job_tells_both_sides_counts_and_what_is_not_known(api: Native, batch: Batch) -> None:
    ProviderJob.objects.filter(first_line=1).update(
        word="in_progress", reported_total=10, reported_succeeded=4, succeeded=3, duplicates=1, direct_cost_nanos=2 * 10**9
    )
    job = ProviderJob.objects.get(first_line=1)
    open_incident(job, IncidentCode.COUNTS_DIFFER, "4 are not 3.", now=timezone.now())

    (shown,) = [one for one in jobs(api, batch)["data"] if one["first_line"] == 1]

    assert shown["id"] == f"job_{job.pk.hex}"
    assert (shown["state"], shown["remote_status"], shown["remote_id"]) == ("running", "in_progress", "batch_1")
    assert (shown["first_line"], shown["last_line"], shown["requests"], shown["attempt"]) == (1, 10, 10, 1)
    assert shown["reported"] == {"total": 10, "succeeded": 4, "failed": None}
    assert (shown["collected"]["total"], shown["collected"]["succeeded"], shown["collected"]["duplicates"]) == (4, 3, 1)
    assert (shown["cost"], shown["direct_cost"]) == ("0.000000", "2.000000")
    assert [(incident["code"], incident["note"]) for incident in shown["incidents"]] == [("counts_differ", "4 are not 3.")]
    assert (shown["recall"], shown["removed_at"]) == ("", None)
    assert not {"former_credential", "former_base_url", "seen", "lease_owner"} & shown.keys()


def test_jobs_come_in_pages(api: Native, batch: Batch) -> None:
    first = jobs(api, batch, "?limit=2")
    assert len(first["data"]) == 2
    second = jobs(api, batch, f"?limit=2&cursor={first['next_cursor']}")
    assert (len(second["data"]), second["next_cursor"]) == (1, None)
    assert len({job["id"] for job in first["data"] + second["data"]}) == 3


def test_the_batch_sums_its_jobs_up(api: Native, batch: Batch) -> None:
    ProviderJob.objects.filter(first_line=1).update(
        state="ended", succeeded=10, cost_nanos=5 * 10**9, direct_cost_nanos=10**10, wasted_nanos=10**9, duplicates=2, late=1
    )
    found = api.get(f"batches/{batch}").json["delegation"]
    assert {name: count for name, count in found["jobs"].items() if count} == {"running": 2, "ended": 1}
    assert (found["cost"], found["direct_cost"], found["paid_in_vain"], found["saved"]) == (
        "5.000000",
        "10.000000",
        "1.000000",
        "4.000000",
    )
    assert (found["duplicates"], found["late"]) == (2, 1)
    assert api.get("batches").json["data"][0]["delegation"] == found


def test_a_job_is_taken_back_once(api: Native, batch: Batch) -> None:
    job = ProviderJob.objects.get(first_line=1)
    for _ in range(2):
        answer = api.post(path(batch, job, "take_back"), {"reason": "Too slow."})
        assert answer.status == 200, answer.content
        assert (answer.json["recall"], answer.json["recalled_by"]) == ("person", "key tests")
    entry = AuditEntry.objects.get(act="recall_job")
    assert (entry.actor, entry.reason, entry.project) == ("key tests", "Too slow.", batch.project)


def test_a_job_is_looked_at_when_somebody_asks(api: Native, batch: Batch) -> None:
    job = ProviderJob.objects.get(first_line=1)
    before = timezone.now()
    assert api.post(path(batch, job, "poll")).status == 200
    job.refresh_from_db()
    assert job.poll_at is not None
    assert before <= job.poll_at <= timezone.now()
    assert AuditEntry.objects.filter(act="look_at_job").count() == 1


@pytest.mark.parametrize(("act", "code"), [("take_back", "not_recallable"), ("poll", "nothing_to_look_at")])
def test_nothing_is_done_to_a_job_that_is_over(api: Native, batch: Batch, act: str, code: str) -> None:
    ProviderJob.objects.update(state="ended", poll_at=None)
    answer = api.post(path(batch, ProviderJob.objects.get(first_line=1), act))
    assert (answer.status, answer.json["error"]["code"]) == (409, code)
    assert not AuditEntry.objects.filter(act__in=["recall_job", "look_at_job"]).exists()


@pytest.mark.parametrize("act", ["take_back", "poll"])
def test_acts_need_the_scope_of_other_acts(batch: Batch, project: Project, act: str) -> None:
    reader = Native(ApiKey.issue(project=project, name="reader", scopes=[Scope.READ])[1])
    assert jobs(reader, batch)["data"]
    assert reader.post(path(batch, ProviderJob.objects.get(first_line=1), act)).status == 403


@pytest.mark.parametrize("act", ["take_back", "poll"])
def test_a_project_sees_its_own_jobs_alone(
    batch: Batch, project: Project, other_key: str, other_project: Project, act: str
) -> None:
    stranger, job = Native(other_key), ProviderJob.objects.get(first_line=1)
    assert stranger.get(f"batches/{batch}/provider_jobs").status == 404
    assert stranger.post(path(batch, job, act)).status == 404
    own = started(other_project, request_lines(1))
    assert stranger.post(path(own, job, act)).status == 404, "a job of another batch has no name under this one"
    assert ProviderJob.objects.filter(recall="").count() == 3


@pytest.mark.parametrize("job_id", ["job_0", "nothing", "job_019bd3a1d2f07c44b0e1a86390b4c215"])
def test_a_job_that_does_not_exist_is_not_found(api: Native, batch: Batch, job_id: str) -> None:
    answer = api.post(f"batches/{batch}/provider_jobs/{job_id}/poll")
    assert (answer.status, answer.json["error"]["param"]) == (404, "job_id")


def test_a_batch_that_runs_directly_has_no_jobs(key: str, project: Project, simulator: Provider) -> None:
    batch = started(project, request_lines(1))
    api = Native(key)
    assert jobs(api, batch) == {"data": [], "next_cursor": None, "next": None}
    assert api.get(f"batches/{batch}").json["delegation"] is None
