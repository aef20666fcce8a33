"""Thousands of provider jobs: they are treated as one is, cost few queries, and their provider is not called too often."""

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from batches.models import Project, ProviderJob
from batches.rules.execution import IncidentCode, JobState, Recall
from batches.rules.wire_ids import marker_of
from batches.services.delegation import due, watching
from batches.services.delegation.creating.doubt import note_surfaced
from batches.services.delegation.take_back import recall_due
from providers.jobs.base import JobCounts, JobStatus, Snapshot
from tests.cast import provider_at, request_lines, started

pytestmark = [pytest.mark.both, pytest.mark.django_db]

OWNER = uuid.UUID(int=7)


def running_jobs(project: Project, count: int, *, family: str = "openai", batches: int = 1, **more: object) -> list[ProviderJob]:
    """So many jobs that run at a new provider, leased by this worker, over batches that run."""
    project.may_delegate = True
    project.save()
    provider = provider_at("http://127.0.0.1:9/v1", name=f"provider-{uuid.uuid4().hex[:6]}", jobs_family=family)
    now = timezone.now()
    over = [started(project, request_lines(1), provider_name=provider.name, execution="delegated") for _ in range(batches)]
    lease = {"lease_owner": OWNER, "lease_epoch": 1, "lease_expires_at": now + timedelta(minutes=1)}
    keys = [uuid.uuid4() for _ in range(count)]
    ProviderJob.objects.bulk_create(
        ProviderJob(
            id=key,
            batch=over[number % batches],
            provider=provider,
            family=family,
            window="24h",
            marker=marker_of(key),
            state=JobState.RUNNING,
            remote_id=f"job-{number}",
            rows=10,
            sent_at=now,
            first_line=1,
            last_line=10,
            created_at=now,
            updated_at=now,
            started_at=now,
            poll_at=now,
            **(lease | more),
        )
        for number, key in enumerate(keys)
    )
    jobs = ProviderJob.objects.filter(provider=provider).order_by("pk")
    return list(jobs.prefetch_related("batch", "batch__provider"))


def seen(job: ProviderJob, *, succeeded: int = 3, total: int = 10, ended: bool = False) -> Snapshot:
    status = JobStatus.ENDED if ended else JobStatus.RUNNING
    return Snapshot(job.remote_id, status, "in_progress", counts=JobCounts(total, succeeded, 0), outputs=("a",))


def queries(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


def test_a_list_of_many_jobs_is_recorded_with_few_queries(project: Project) -> None:
    few, many = running_jobs(project, 5), running_jobs(project, 300)
    now = timezone.now()

    cost_of_few = queries(lambda: watching.listed([(job, seen(job)) for job in few], calls=1, now=now))
    cost_of_many = queries(lambda: watching.listed([(job, seen(job)) for job in many], calls=1, now=now))

    assert cost_of_many == cost_of_few <= 5
    assert {(job.reported_succeeded, job.lease_owner, job.outputs[0]) for job in ProviderJob.objects.all()} == {(3, None, "a")}


def test_a_list_leaves_alone_what_another_worker_has_taken(project: Project) -> None:
    mine, others = running_jobs(project, 2)
    ProviderJob.objects.filter(pk=others.pk).update(lease_epoch=2)

    watching.listed([(job, seen(job, ended=True)) for job in (mine, others)], calls=1, now=timezone.now())

    assert ProviderJob.objects.get(pk=mine.pk).state == JobState.COLLECTING
    assert ProviderJob.objects.get(pk=others.pk).state == JobState.RUNNING


def test_a_list_and_a_look_have_the_same_effects(project: Project) -> None:
    in_list, alone = (running_jobs(project, 3, batches=3) for _ in range(2))
    now = timezone.now()
    plan: tuple[dict[str, Any], ...] = ({"ended": True}, {"total": 11}, {})

    watching.listed([(job, seen(job, **how)) for job, how in zip(in_list, plan, strict=True)], calls=0, now=now)
    for job, how in zip(alone, plan, strict=True):
        watching.running(job, seen(job, **how), now=now)

    ways = [
        [effects_on(job) for job in ProviderJob.objects.filter(pk__in=keys(jobs)).order_by("pk")] for jobs in (in_list, alone)
    ]
    assert ways[0] == ways[1]
    assert ways[0][0]["collecting_at"] == now


def keys(jobs: list[ProviderJob]) -> list[uuid.UUID]:
    return [job.pk for job in jobs]


def effects_on(job: ProviderJob) -> dict[str, Any]:
    """The columns of a job but those in which any two jobs differ, and its incidents."""
    own = {"id", "marker", "batch_id", "provider_id", "remote_id", "poll_at", "created_at", "updated_at", "started_at", "sent_at"}
    columns = {name: value for name, value in ProviderJob.objects.filter(pk=job.pk).values()[0].items() if name not in own}
    return columns | {"incidents": [(one.code, one.note) for one in job.incidents.all()]}


def test_a_job_that_was_taken_back_while_it_was_listed_is_looked_at_soon(project: Project, settings: Settings) -> None:
    settings.JOB_POLL_SECONDS = 600.0
    taken_back, other = running_jobs(project, 2)
    now = timezone.now()
    ProviderJob.objects.filter(pk=taken_back.pk).update(recall=Recall.PERSON, poll_at=now)

    watching.listed([(job, seen(job)) for job in (taken_back, other)], calls=0, now=now)

    for job in (taken_back, other):
        job.refresh_from_db()
    assert taken_back.poll_at is not None
    assert other.poll_at is not None
    assert taken_back.poll_at <= now + timedelta(seconds=600 / 4 * 1.2)
    assert other.poll_at >= now + timedelta(seconds=600)


def test_a_former_job_that_a_list_shows_is_told_of_and_cancelled_while_it_runs(project: Project) -> None:
    anew, other = running_jobs(project, 2)
    former = [marker_of(anew.pk), marker_of(anew.pk, number=1)]
    ProviderJob.objects.filter(pk=anew.pk).update(marker=marker_of(anew.pk, number=2), former_markers=former)
    running, ended, own, foreign = (
        Snapshot("lost-1", JobStatus.RUNNING, "in_progress", marker=former[0]),
        Snapshot("lost-2", JobStatus.ENDED, "completed", marker=former[1]),
        Snapshot(anew.remote_id, JobStatus.RUNNING, "in_progress", marker=marker_of(anew.pk, number=2)),
        Snapshot("job-x", JobStatus.RUNNING, "in_progress", marker=other.marker),
    )

    assert note_surfaced(anew.provider, [own, foreign, running], now=timezone.now()) == ["lost-1"]
    assert note_surfaced(anew.provider, [ended], now=timezone.now()) == []

    assert "lost-2 was taken for lost and has run" in anew.incidents.get(code=IncidentCode.SURFACED).note


def test_incidents_of_many_jobs_are_opened_once(project: Project) -> None:
    jobs = running_jobs(project, 30)
    now = timezone.now()
    odd = [(job, seen(job, total=11)) for job in jobs]
    watching.listed(odd, calls=1, now=now)

    again = queries(lambda: watching.listed(odd, calls=1, now=now))

    assert again <= 6
    assert all(job.incidents.get().code == IncidentCode.COUNTS_DIFFER for job in jobs)


def test_jobs_that_a_list_does_not_show_are_put_off_together(project: Project) -> None:
    jobs = running_jobs(project, 200, tries=watching.MISSES - 2)
    now = timezone.now()

    assert queries(lambda: watching.not_listed(jobs, watching.NOT_LISTED, now=now)) <= 5

    assert {(job.tries, job.lease_owner) for job in ProviderJob.objects.all()} == {(watching.MISSES - 1, None)}


def test_the_guard_of_many_batches_costs_what_that_of_one_does(project: Project) -> None:
    now = timezone.now()
    running_jobs(project, 4)
    one = queries(lambda: recall_due(now=now))
    running_jobs(project, 40, batches=12)

    assert queries(lambda: recall_due(now=now)) == one <= 4


def test_waiting_jobs_are_not_read_while_their_provider_is_full(project: Project) -> None:
    jobs = running_jobs(project, 6)
    waiting = {"state": JobState.PREPARING, "lease_owner": None, "lease_expires_at": None, "sent_at": None}
    ProviderJob.objects.filter(pk__in=[job.pk for job in jobs[2:]]).update(**waiting)
    provider = jobs[0].provider
    provider.max_open_jobs = 2
    provider.save()
    now = timezone.now()

    assert due.take_due(OWNER, now=now, most=16) == []

    provider.max_open_jobs = 4
    provider.save()
    assert len(due.take_due(OWNER, now=now, most=16)) == 2


def test_jobs_of_one_batch_share_it_in_memory(project: Project) -> None:
    jobs = running_jobs(project, 20, lease_owner=None, lease_expires_at=None)
    now = timezone.now()

    taken = due.take_running(OWNER, provider_id=jobs[0].provider_id, now=now, until=now, most=100)

    assert len(taken) == 20
    assert len({id(job.batch) for job in taken}) == 1


def test_jobs_that_are_being_cancelled_are_looked_at_with_the_others(project: Project) -> None:
    jobs = running_jobs(project, 3, lease_owner=None, lease_expires_at=None, recall=Recall.STOPPED)
    asked, *rest = jobs
    now = timezone.now()
    ProviderJob.objects.filter(pk=asked.pk).update(cancel_asked_at=now)

    taken = due.take_running(OWNER, provider_id=asked.provider_id, now=now, until=now, most=100)

    assert taken == [asked]
    assert all(watching.is_to_be_cancelled(job) for job in rest)


@pytest.mark.parametrize(("family", "page"), [("groq", 1), ("openai", 100)])
def test_a_provider_is_called_at_most_so_often_whatever_the_number_of_jobs(
    project: Project, settings: Settings, family: str, page: int
) -> None:
    settings.JOB_POLL_SECONDS = 60.0
    settings.JOB_POLLS_PER_MINUTE = 200
    job = running_jobs(project, 1, family=family)[0]
    number = 10_000
    start = datetime(2026, 1, 1, tzinfo=UTC)
    job.batch.created_at, job.batch.expires_at = start, start + timedelta(days=7)
    job.started_at = start
    # One entry for each look: at one job, or at a page of jobs. The first ones came over one interval.
    pages = number // page
    interval = watching.next_look(job, now=start, calls=number / page, jitter=0.0) - start
    looks = [start + interval * place / pages for place in range(pages)]
    called: Counter[int] = Counter()
    end = start + timedelta(hours=3)

    while looks:
        upcoming = []
        for look in looks:
            at = watching.next_look(job, now=look, calls=number / page)
            if at < end:
                called[int((at - start).total_seconds() // 60)] += 1
                upcoming.append(at)
        looks = upcoming

    settled = [called[minute] for minute in range(60, 175)]
    assert max(settled) <= 200 * 1.25
    assert sum(settled) / len(settled) <= 200


def test_the_number_of_calls_is_that_of_jobs_or_of_pages(project: Project) -> None:
    assert watching.calls_of(running_jobs(project, 30, family="groq")[0]) == 30
    assert watching.calls_of(running_jobs(project, 30)[0]) == pytest.approx(0.3)
