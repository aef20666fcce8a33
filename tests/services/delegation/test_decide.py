"""Decisions of people about jobs in doubt and about incidents."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from batches.models import AuditEntry, Batch, ProviderJob
from batches.rules.errors import Conflict, InvalidRequest, LostRace, PortalError
from batches.rules.execution import HELD, IncidentCode, JobState, Recall
from batches.rules.states import BatchStatus
from batches.services.delegation import decide
from batches.services.delegation.creating.doubt import looked_for
from batches.services.delegation.decide import look_now
from batches.services.delegation.due import write
from batches.services.delegation.take_back import NotRecallable, recall, recall_many
from providers.jobs.base import Found, JobStatus, Snapshot
from tests.cast import TESTER
from tests.console.conftest import MakeBatch, make_batch
from tests.console.jobs import incident_of, make_job

__all__ = ["make_batch"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=3)
    Batch.objects.filter(pk=batch.pk).update(execution="hybrid")
    batch.refresh_from_db()
    return batch


@pytest.fixture
def job(batch: Batch) -> ProviderJob:
    """A job in doubt, which waits for a decision."""
    job = make_job(batch, state=JobState.UNCERTAIN, incident=IncidentCode.UNCERTAIN, started_at=None, last_line=3, rows=3)
    batch.slices.update(provider_job=job)
    return job


def test_an_adopted_job_is_looked_at_next(job: ProviderJob) -> None:
    now = timezone.now()
    decide.adopt(job, remote_id=" batch_7 ", actor=TESTER, now=now, reason="Seen in their console")
    job.refresh_from_db()
    assert (job.state, job.remote_id, job.poll_at, job.started_at) == (JobState.RUNNING, "batch_7", now, now)
    assert not job.is_proven, "only its rows prove that it is the portal's"
    incident = incident_of(job)
    assert (incident.resolved_by, incident.resolution) == (TESTER.name, "It is job batch_7.")
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.target_id, entry.reason) == ("adopt_job", str(job.pk), "Seen in their console")
    assert entry.project == job.batch.project


@pytest.mark.parametrize("wrong", ["", "  ", "../files", "a b", "batch/7", "x" * 301, "batch_ü", "a\0"])
def test_only_an_id_is_adopted(job: ProviderJob, wrong: str) -> None:
    with pytest.raises(decide.NotAJobId) as refused:
        decide.adopt(job, remote_id=wrong, actor=TESTER, now=timezone.now())
    assert refused.value.param == "remote_id"
    assert not AuditEntry.objects.exists()


def test_a_job_that_is_another_one_is_not_adopted(job: ProviderJob, batch: Batch) -> None:
    make_job(batch, remote_id="batch_7")
    with pytest.raises(decide.JobIdTaken, match="batch_7"):
        decide.adopt(job, remote_id="batch_7", actor=TESTER, now=timezone.now())


def test_a_job_that_was_ruled_out_is_not_adopted_again(job: ProviderJob) -> None:
    ProviderJob.objects.update(ruled_out=["batch_7"])
    with pytest.raises(decide.JobIdTaken, match="ruled out"):
        decide.adopt(job, remote_id="batch_7", actor=TESTER, now=timezone.now())


def test_a_job_that_does_not_exist_is_created_again_under_a_new_marker(job: ProviderJob) -> None:
    lost, now = job.marker, timezone.now()
    decide.recreate(job, actor=TESTER, now=now)
    job.refresh_from_db()
    assert (job.state, job.former_markers, job.poll_at) == (JobState.PREPARING, [lost], now)
    assert job.marker != lost
    assert incident_of(job).resolved_at == now
    assert AuditEntry.objects.get().act == "recreate_job"


@pytest.mark.parametrize("execution", ["hybrid", "delegated"])
def test_requests_that_are_left_to_others_are_free_and_their_job_counts_as_taken_back(job: ProviderJob, execution: str) -> None:
    Batch.objects.update(execution=execution)
    assert decide.leave(job, actor=TESTER, now=timezone.now()) == 1
    job.refresh_from_db()
    assert (job.state, job.recall, job.recalled_by) == (JobState.UNCERTAIN, Recall.PERSON, TESTER.name)
    assert job.released_at is not None
    assert not job.slices.exists()
    assert (Batch.objects.get().taken_back_at is not None) == (execution == "hybrid")
    assert incident_of(job).resolution == "Its requests were left to others."


ACTS: list[Callable[[ProviderJob], object]] = [
    lambda job: decide.adopt(job, remote_id="batch_7", actor=TESTER, now=timezone.now()),
    lambda job: decide.recreate(job, actor=TESTER, now=timezone.now()),
    lambda job: decide.leave(job, actor=TESTER, now=timezone.now()),
]


@pytest.mark.parametrize("act", ACTS)
def test_a_job_that_a_worker_has_in_hand_is_not_decided_about(job: ProviderJob, act: Callable[[ProviderJob], object]) -> None:
    ProviderJob.objects.update(lease_expires_at=timezone.now() + timedelta(minutes=1))
    with pytest.raises(decide.JobBusy):
        act(job)
    assert ProviderJob.objects.get().state == JobState.UNCERTAIN
    assert incident_of(job).resolved_at is None


@pytest.mark.parametrize("act", ACTS)
def test_a_job_that_has_been_found_meanwhile_is_not_decided_about(job: ProviderJob, act: Callable[[ProviderJob], object]) -> None:
    ProviderJob.objects.update(state=JobState.RUNNING, remote_id="batch_9")
    with pytest.raises(decide.NotInDoubt, match="running"):
        act(job)
    assert ProviderJob.objects.get().remote_id == "batch_9"
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("act", ACTS)
def test_a_worker_that_comes_too_late_writes_nothing_after_a_decision(
    job: ProviderJob, act: Callable[[ProviderJob], object]
) -> None:
    ProviderJob.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    late = ProviderJob.objects.get()
    act(job)
    with pytest.raises(LostRace):
        write(late, now=timezone.now(), state=JobState.PREPARING)


def test_the_ids_that_may_be_it_are_offered(job: ProviderJob) -> None:
    listed = [Snapshot(f"batch_{n}", JobStatus.RUNNING, "in_progress") for n in (1, 2)]
    looked_for(job, Found(listed, is_complete=True), now=timezone.now())
    assert job.incidents.get(code=IncidentCode.AMBIGUOUS).candidates == ["batch_1", "batch_2"]
    assert job.incidents.get(code=IncidentCode.UNCERTAIN).candidates == []


def test_a_job_of_nobody_that_may_be_it_is_offered(job: ProviderJob) -> None:
    later = timezone.now() + timedelta(days=1)
    strangers = Found([], is_complete=True, others=[Snapshot("batch_5", JobStatus.RUNNING, "in_progress")])
    looked_for(job, strangers, now=later)
    assert job.incidents.get(code=IncidentCode.UNCERTAIN).candidates == ["batch_5"]


def test_an_incident_is_resolved_once_and_with_a_note(batch: Batch) -> None:
    incident = incident_of(make_job(batch, incident=IncidentCode.MISSING_ROWS))
    with pytest.raises(InvalidRequest, match="Say how"):
        decide.resolve(incident, note=" ", actor=TESTER, now=timezone.now())
    decide.resolve(incident, note="They were refunded.", actor=TESTER, now=timezone.now())
    assert (incident.resolved_by, incident.resolution) == (TESTER.name, "They were refunded.")
    with pytest.raises(decide.AlreadyResolved):
        decide.resolve(incident, note="Again.", actor=TESTER, now=timezone.now())
    assert AuditEntry.objects.get().act == "resolve_incident"


@pytest.mark.parametrize("code", sorted(HELD))
def test_an_incident_that_holds_its_job_is_not_talked_away(batch: Batch, code: IncidentCode) -> None:
    incident = incident_of(make_job(batch, incident=code))
    with pytest.raises(Conflict, match="decision"):
        decide.resolve(incident, note="Never mind.", actor=TESTER, now=timezone.now())


def test_every_refusal_has_a_code_of_its_own() -> None:
    errors = [one for one in vars(decide).values() if isinstance(one, type) and issubclass(one, PortalError)]
    own = {error.code for error in errors if error.__module__ == decide.__name__}
    assert own == {"job_busy", "nothing_to_look_at", "not_in_doubt", "invalid_job_id", "job_id_taken", "already_resolved"}


def test_many_jobs_are_taken_back_each_with_its_record(batch: Batch) -> None:
    running = [make_job(batch) for _ in range(3)]
    over, recalled = make_job(batch, state=JobState.ENDED), make_job(batch, recall=Recall.LATE)
    assert recall_many(ProviderJob.objects.all(), actor=TESTER, now=timezone.now(), reason="Their outage") == 3
    assert set(ProviderJob.objects.filter(recall=Recall.PERSON)) == set(running)
    assert {entry.target_id for entry in AuditEntry.objects.filter(act="recall_job", reason="Their outage")} == {
        str(job.pk) for job in running
    }
    assert recall_many(ProviderJob.objects.all(), actor=TESTER, now=timezone.now()) == 0
    recalled.refresh_from_db()
    assert recalled.recall == Recall.LATE
    with pytest.raises(NotRecallable):
        recall(over, actor=TESTER, now=timezone.now())


def test_a_look_now_is_for_jobs_at_which_there_is_something_to_see(batch: Batch) -> None:
    now = timezone.now()
    running, over = make_job(batch, tries=5), make_job(batch, state=JobState.ENDED, poll_at=None)
    left = make_job(batch, state=JobState.ENDED, poll_at=None, left_behind=["file-1"])
    assert look_now(ProviderJob.objects.all(), actor=TESTER, now=now) == 2
    for job in (running, left, over):
        job.refresh_from_db()
    assert (running.poll_at, running.tries, left.poll_at, over.poll_at) == (now, 0, now, None)
    assert AuditEntry.objects.filter(act="look_at_job").count() == 2
