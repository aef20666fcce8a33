"""Attempts of a request: tried again when that may help, under the key that fits, until they are used up."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.executor import holdings
from batches.models import Attempt, BatchObject, Project, Slice
from batches.services.results.results import result_of
from providers.models import Provider
from tests.answers import break_off, drop, refuse, say, stay_silent
from tests.cast import request_lines, run_executor, started, statuses
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_failure_that_may_pass_is_tried_again(project: Project, provider: Provider, upstream: Upstream) -> None:
    upstream.answer(refuse(500), refuse(503), refuse(429))
    batch = started(project, request_lines(1))
    run_executor()
    found = BatchObject.objects.get(batch=batch)
    assert (found.status, found.attempts, len(upstream.requests)) == ("succeeded", 4, 4)
    assert [(a.number, a.http_status) for a in Attempt.objects.all()] == [(1, 500), (2, 503), (3, 429)]


def test_an_upstreams_wish_to_wait_is_obeyed(project: Project, provider: Provider, upstream: Upstream) -> None:
    upstream.answer(refuse(429, retry_after=0.6))
    started(project, request_lines(1))
    run_executor()
    first, second = upstream.requests
    assert second.at - first.at >= 0.6


def test_attempts_end_and_the_last_failure_is_the_objects(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.MAX_ATTEMPTS = 3
    upstream.behave(lambda request: refuse(500, message=f"failure {request.number}"))
    batch = started(project, request_lines(1))
    run_executor()
    assert len(upstream.requests) == 3
    result = result_of(BatchObject.objects.get(batch=batch))
    assert (result.status, result.attempts, result.error_message) == ("failed", 3, "failure 3")
    assert Attempt.objects.count() == 2


def test_being_turned_away_is_no_reason_to_give_up(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.MAX_ATTEMPTS = 1
    upstream.answer(*[refuse(429) for _ in range(6)])
    batch = started(project, request_lines(1))
    run_executor()
    assert statuses(batch) == {"row-1": "succeeded"}


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_what_cannot_succeed_is_sent_once(project: Project, provider: Provider, upstream: Upstream, status: int) -> None:
    upstream.behave(lambda _: refuse(status))
    batch = started(project, request_lines(1))
    run_executor()
    assert statuses(batch) == {"row-1": "failed"}
    assert len(upstream.requests) == 1


def test_the_idempotency_key_is_new_after_an_answer_and_only_then(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.REQUEST_TIMEOUT_SECONDS = 0.3
    settings.MAX_ATTEMPTS = 10
    upstream.answer(
        drop(), break_off(), stay_silent(), refuse(500), drop(), refuse(429), say(b'{"error":{"message":"m","code":502}}')
    )
    batch = started(project, request_lines(1))
    run_executor()
    identifier = f"{batch.id.hex}.1"
    answered = [int(request.idempotency_key.removeprefix(f"{identifier}-1-")) for request in upstream.requests]
    assert answered == [0, 0, 0, 0, 1, 1, 2, 3]
    kinds = [attempt.kind for attempt in Attempt.objects.all()]
    assert kinds[:3] == ["connection_lost", "connection_lost", "timeout"]
    assert statuses(batch) == {"row-1": "succeeded"}


def test_what_a_gateway_lost_is_asked_for_again_under_the_same_key(
    project: Project, provider: Provider, upstream: Upstream
) -> None:
    upstream.answer(refuse(504), refuse(409), refuse(502))
    batch = started(project, request_lines(1))
    run_executor()
    assert len({request.idempotency_key for request in upstream.requests}) == 1
    assert len(upstream.requests) == 4
    assert statuses(batch) == {"row-1": "succeeded"}


def test_a_key_outlives_the_executor(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "LET_GO_SECONDS", 0.1)
    upstream.answer(refuse(429, retry_after=1.0))
    batch = started(project, request_lines(1))
    run_executor()
    assert statuses(batch) == {"row-1": "pending"}, "it was let go of, and the executor was idle"
    until(lambda: not Slice.objects.filter(not_before__gt=timezone.now()).exists())
    run_executor()
    first, second = upstream.requests
    assert (first.idempotency_key[-2:], second.idempotency_key[-2:]) == ("-0", "-1")
    assert second.at - first.at >= 1.0
    assert BatchObject.objects.get(batch=batch).attempts == 2
