"""The deadline guard: when jobs are taken back, so that executors can finish the batch before its deadline."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from batches.services.policy.deadline_guard import Course, JobAtWork, Pace, recall_times

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
FIVE_MINUTES = timedelta(minutes=5)
TEN_MINUTES = timedelta(minutes=10)
PACE = Pace(concurrency=100, call_seconds=8.0)  # 10 requests a second, with the margin


def job(requests: int, **more: Any) -> JobAtWork:
    usual: dict[str, Any] = {"cancel_takes": TEN_MINUTES, "started_at": NOON}
    return JobAtWork(uuid.uuid4(), requests, **(usual | more))


def course(*jobs: JobAtWork, deadline: datetime = NOON + DAY, window: timedelta = DAY, **more: Any) -> Course:
    usual: dict[str, Any] = {"finishes": True}
    return Course(deadline - window, deadline, jobs, **(usual | more))


def before_deadline(*courses: Course, pace: Pace = PACE, least: timedelta = FIVE_MINUTES) -> list[timedelta]:
    """How long before the deadline of its batch each job is taken back."""
    times = recall_times(courses, pace=pace, least=least)
    return [found.deadline - times[job.key] for found in courses for job in found.jobs]


@pytest.mark.parametrize(
    ("requests", "window", "expected"),
    [
        (10, DAY, FIVE_MINUTES + TEN_MINUTES),  # a small batch gets the least time
        (36_000, DAY, timedelta(hours=1) + TEN_MINUTES),
        (10_000_000, DAY, timedelta(hours=12) + TEN_MINUTES),  # a huge one gets half of its window
        (10, timedelta(minutes=8), timedelta(minutes=4 + 1)),  # of a small window, half and an eighth
        (36_000, timedelta(hours=1), timedelta(minutes=30 + 7.5)),
    ],
)
def test_a_job_is_taken_back_so_early_that_executors_can_finish_it(requests: int, window: timedelta, expected: timedelta) -> None:
    assert before_deadline(course(job(requests), window=window)) == [expected]


@pytest.mark.parametrize(
    ("pace", "expected"),
    [
        (Pace(100, 8.0), timedelta(hours=1)),
        (Pace(200, 8.0), timedelta(minutes=30)),
        (Pace(100, 16.0), timedelta(hours=2)),
        (Pace(100, 8.0, per_minute=6000), timedelta(hours=1)),  # a limit that 100 calls at a time do not reach
        (Pace(100, 8.0, per_minute=450), timedelta(minutes=100)),
        (Pace(0), timedelta(hours=12)),  # no more than half of the window
    ],
)
def test_concurrency_time_of_calls_and_rate_limits_decide_how_early(pace: Pace, expected: timedelta) -> None:
    assert before_deadline(course(job(36_000, cancel_takes=timedelta())), pace=pace) == [expected]


def test_where_a_cancelled_job_brings_nothing_home_it_gets_the_time_of_the_cancellation() -> None:
    keeps, forgets = job(36_000), job(36_000, cancel_takes=timedelta())

    assert before_deadline(course(keeps)) == [timedelta(minutes=70)]
    assert before_deadline(course(forgets)) == [timedelta(minutes=60)]


def test_a_delegated_batch_only_gets_the_time_in_which_results_of_a_cancelled_job_come_home() -> None:
    assert before_deadline(course(job(36_000), finishes=False)) == [TEN_MINUTES]
    assert before_deadline(course(job(36_000), finishes=False, window=timedelta(minutes=16))) == [timedelta(minutes=2)]
    assert before_deadline(course(job(36_000, cancel_takes=timedelta()), finishes=False)) == [timedelta()]


def test_the_job_nearest_to_its_end_is_taken_back_last() -> None:
    nearly_done, half_done = job(18_000, done=0.9), job(18_000, done=0.5)
    older, younger = job(18_000, started_at=NOON - DAY), job(18_000, started_at=NOON)
    unsent = job(18_000, started_at=None, done=0.0)

    found = before_deadline(course(nearly_done, half_done, older, younger, unsent))

    hours = [round((time - TEN_MINUTES).total_seconds() / 3600, 3) for time in found]
    assert hours == [0.5, 1.0, 1.5, 2.0, 2.5]


def test_requests_that_executors_have_already_need_time_too() -> None:
    assert before_deadline(course(job(18_000), loose=18_000)) == [timedelta(hours=1) + TEN_MINUTES]


def test_batches_with_later_deadlines_take_executors_away_from_earlier_ones() -> None:
    first = course(job(36_000), deadline=NOON + DAY)
    second = course(job(36_000), deadline=NOON + DAY + timedelta(minutes=30))
    much_later = course(job(36_000), deadline=NOON + DAY * 1.5)

    assert before_deadline(first, much_later) == [timedelta(minutes=70), timedelta(minutes=70)]
    assert before_deadline(first, second) == [timedelta(minutes=30 + 60 + 10), timedelta(minutes=70)]


def test_many_small_batches_with_one_deadline_do_not_add_up_their_least_times() -> None:
    found = before_deadline(*(course(job(10)) for _ in range(200)))

    assert max(found) < timedelta(minutes=16)
