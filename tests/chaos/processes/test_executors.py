"""Executors that lose slices, that are woken too often, and that lack a credential which another executor has."""

import signal
from collections import Counter
from pathlib import Path

import pytest
from celery import Celery

from tests.answers import Answer, Request, succeed
from tests.chaos.client import LATENCY, Run, marker, usual
from tests.chaos.stage import Stage, stage
from tests.processes import PortalProcess
from tests.waiting import PATIENCE

WAKES = 40
EXECUTORS = 3  # see KNOBS of the stage
LOSE = (
    "UPDATE batches_slice SET lease_epoch = lease_epoch + 1, lease_owner = NULL, lease_expires_at = NULL"
    " WHERE batch_id = %s AND lease_owner IS NOT NULL RETURNING first_line, last_line"
)


def calls(running: Stage, run: Run) -> Counter[str]:
    """How often the upstream received each idempotency key of one batch."""
    keys = (request.idempotency_key for request in running.upstream.requests)
    return Counter(key for key in keys if key.startswith(run.key.hex))


def line_of(key: str) -> int:
    """The line of the object that an idempotency key is for."""
    return int(key.partition(".")[2].partition("-")[0])


@pytest.mark.servers
def test_slices_that_are_lost_with_their_answers_cost_no_other_batch_a_call(grown_up: Stage) -> None:
    """E1: under load, with a guard, while calls of another batch are in flight to the same executors."""

    def slowly(request: Request) -> Answer:
        return succeed(delay=10 * LATENCY) if int(marker(request).rpartition("-")[2]) % 7 == 0 else usual(request)

    lost_run = grown_up.begin(3000, slowly)
    other = grown_up.submit(1000)
    grown_up.rows("UPDATE batches_batch SET max_tokens = 1000000000 WHERE id = %s RETURNING 1", lost_run.key)
    lost: set[int] = set()
    for share in (0.1, 0.3, 0.5):
        grown_up.wait_until_answered(lost_run, share)
        lost |= {line for first, last in grown_up.rows(LOSE, lost_run.key) for line in range(first, last + 1)}

    grown_up.assert_one_outcome_each(lost_run)
    grown_up.assert_one_outcome_each(other)

    assert set(calls(grown_up, other).values()) == {1}
    assert {line_of(key) for key, times in calls(grown_up, lost_run).items() if times > 1} <= lost
    for run in (lost_run, other):
        grown_up.assert_counts_are_true(run)


@pytest.mark.servers
def test_a_burst_of_wakes_makes_no_executor_too_many(grown_up: Stage) -> None:
    """E2"""
    run = grown_up.begin(2000)
    with Celery(broker=grown_up.portal.environment["REDIS_URL"]) as bell:
        for _ in range(WAKES):
            bell.send_task("batches.engine.execute", queue="execute")
    seen = set()
    while not grown_up.look(run).get("request_counts", {}).get("completed", 0) > run.lines / 2:
        ((seated, owners),) = grown_up.rows(
            "SELECT (SELECT count(*) FROM batches_worker WHERE seat IS NOT NULL),"
            " (SELECT count(DISTINCT lease_owner) FROM batches_slice WHERE batch_id = %s)",
            run.key,
        )
        seen.add(max(seated, owners))

    grown_up.assert_complete(run)

    assert 1 <= max(seen) <= EXECUTORS
    assert grown_up.repeated() == set()


def test_many_resumes_leave_an_embedded_portal_room_for_everything_else(tmp_path: Path) -> None:
    """E2: each resume wakes an executor. Only one executor runs, and batches are validated and ended meanwhile."""
    with stage(tmp_path, EXECUTORS="1") as embedded:
        run = embedded.begin(1500)
        embedded.wait_until_answered(run, 0.1)
        for _ in range(WAKES // 2):
            embedded.act(run, "pause")
            embedded.act(run, "resume")
        seated = embedded.rows("SELECT count(*) FROM batches_worker WHERE seat IS NOT NULL")
        small = embedded.submit(20)

        embedded.assert_one_outcome_each(small)
        embedded.assert_one_outcome_each(run)

        assert seated in ([(0,)], [(1,)])
        assert set(calls(embedded, run).values()) == {1}


@pytest.mark.servers
def test_a_batch_waits_for_the_worker_that_has_the_credential(grown_up: Stage) -> None:
    """E4: workers without the variable report that, fail nothing, and leave the batch to the worker that has the variable."""
    grown_up.upstream.forget()
    grown_up.upstream.behave(usual)
    words = ("--adapter", "openai", "--base-url", grown_up.upstream.base_url, "--credential-env", "BATCHYARD_CREDENTIAL_CHAOS")
    assert grown_up.portal.manage("provider", "add", "keyed", *words).returncode == 0
    run = grown_up.submit(200, provider="keyed")

    def reason() -> str:
        return str(grown_up.rows("SELECT blocked_reason FROM batches_batch WHERE id = %s", run.key)[0][0])

    assert "BATCHYARD_CREDENTIAL_CHAOS" in grown_up.wait_until(reason, what="a worker had said what it lacks")
    assert grown_up.look(run)["status"] == "in_progress"
    other = PortalProcess(grown_up.portal.environment | {"BATCHYARD_CREDENTIAL_CHAOS": "sk-chaos"}, folder=grown_up.portal.folder)
    worker = other.spawn("serve", "execute")
    try:
        grown_up.assert_one_outcome_each(run)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE)

    keyed_calls = [request for request in grown_up.upstream.requests if request.headers.get("authorization") == "Bearer sk-chaos"]
    assert len({request.idempotency_key for request in keyed_calls}) == run.lines
