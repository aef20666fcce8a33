"""The executor against an upstream over real HTTP."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from batches.engine import shutdown
from batches.engine.executor import execute, holdings
from batches.models import Attempt, Batch, BatchError, BatchObject, Project, Slice, Worker
from batches.rules.states import BatchStatus
from batches.services.control.cancel import cancel
from batches.services.results.results import result_of
from batches.services.upkeep.reconcile import reconcile
from providers.failures import Kind
from providers.models import Provider
from tests.cast import (
    TESTER,
    assert_counts_are_true,
    ended,
    error_lines,
    output_lines,
    provider_at,
    request_lines,
    run_executor,
    started,
    statuses,
)
from tests.upstream import Answer, Request, Upstream, babble, break_off, drop, refuse, say, stay_silent, succeed

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 10.0


def named(request: Request) -> str:
    """The custom_id of the object that a request is for."""
    return str(request.json["n"])


def sent(upstream: Upstream) -> Counter[str]:
    """How often each object was sent."""
    return Counter(named(request) for request in upstream.requests)


@contextmanager
def executors(count: int) -> Iterator[None]:
    """Executors in threads of their own; at the end they have become idle and gone."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            execute.run()
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join(PATIENCE)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline, "It did not come about."
        sleep(0.02)


def test_every_object_is_sent_once_with_its_body_unchanged(project: Project, provider: Provider, upstream: Upstream) -> None:
    body = '{"model": "m",  "n": "a", "big": 123456789012345678901234567890, "x": "\\u00e9 \\/ é"}'
    batch = started(project, f'{{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{body}}}\n'.encode())
    run_executor()
    [request] = upstream.requests
    assert (request.method, request.path, request.body.decode()) == ("POST", "/v1/chat/completions", body)
    found = BatchObject.objects.get(batch=batch)
    assert (found.status, found.attempts, found.http_status, found.request_id) == ("succeeded", 1, 200, "req_1")
    assert (found.input_tokens, found.output_tokens, found.cached_tokens, found.reasoning_tokens) == (9, 3, 4, 1)
    assert request.idempotency_key == f"{batch.id.hex}.{found.line}-1-0"
    assert not Worker.objects.exists(), "the executor has said good-bye"


def test_a_mixed_outcome_is_true_to_each_object(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.SLICE_LINES = 4
    upstream.behave(lambda request: refuse(400, code="odd") if int(named(request)[4:]) % 3 == 0 else succeed())
    batch = started(project, request_lines(20))
    run_executor()
    assert statuses(batch) == {f"row-{n}": "failed" if n % 3 == 0 else "succeeded" for n in range(1, 21)}
    assert set(sent(upstream).values()) == {1}
    assert_counts_are_true(batch)
    batch = ended(batch)
    assert batch.status == "completed"
    assert [line["custom_id"] for line in error_lines(batch)] == [f"row-{n}" for n in range(3, 21, 3)]
    assert {line["response"]["body"]["error"]["code"] for line in error_lines(batch)} == {"odd"}


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
    wait_until(lambda: not Slice.objects.filter(not_before__gt=timezone.now()).exists())
    run_executor()
    first, second = upstream.requests
    assert (first.idempotency_key[-2:], second.idempotency_key[-2:]) == ("-0", "-1")
    assert second.at - first.at >= 1.0
    assert BatchObject.objects.get(batch=batch).attempts == 2


@pytest.mark.parametrize("wait", [1.0, 3600.0])
def test_a_batch_that_the_upstream_holds_back_says_until_when_and_why(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, wait: float
) -> None:
    settings.SLICE_LINES = 2
    upstream.behave(
        lambda request: refuse(429, message="Quota of the minute", retry_after=wait) if request.repeat == 1 else succeed()
    )
    batch = started(project, request_lines(5))
    begun = timezone.now()
    with executors(1):
        wait_until(lambda: Batch.objects.get(pk=batch.pk).throttled_until)
        held = Batch.objects.get(pk=batch.pk)
        assert held.is_throttled(now=timezone.now())
        assert held.throttled_until is not None
        assert held.throttled_until - begun >= timedelta(seconds=min(wait, settings.LONGEST_WAIT_SECONDS))
        assert held.throttled_reason == Kind.RATE_LIMITED.sentence, "it quotes no call"
        assert held.status == "in_progress"
    if wait > 60:
        assert set(statuses(batch).values()) == {"pending"}
        assert not Slice.objects.filter(lease_expires_at__isnull=False).exists(), "nobody keeps what only waits"
    else:
        assert set(statuses(batch).values()) == {"succeeded"}


def test_two_executors_share_a_batch_and_send_nothing_twice(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTORS, settings.SLICE_LINES, settings.EXECUTOR_CONCURRENCY = 2, 5, 10
    upstream.behave(lambda _: succeed(delay=0.03))
    batch = started(project, request_lines(200))
    with executors(2):
        wait_until(lambda: Slice.objects.exclude(lease_owner=None).values("lease_owner").distinct().count() == 2)
    assert len(sent(upstream)) == 200
    assert set(sent(upstream).values()) == {1}
    assert set(statuses(batch).values()) == {"succeeded"}
    assert_counts_are_true(batch)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("limit", [1, 7])
def test_a_providers_concurrency_is_never_exceeded(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, count: int, limit: int
) -> None:
    Provider.objects.filter(pk=provider.pk).update(max_concurrency=limit)
    settings.EXECUTORS, settings.SLICE_LINES = count, 5
    upstream.behave(lambda request: succeed(delay=0.005 + (request.number % 7) / 200))
    batch = started(project, request_lines(20 * limit))
    with executors(count):
        pass
    assert upstream.peak_in_flight <= limit
    assert set(statuses(batch).values()) == {"succeeded"}
    assert set(sent(upstream).values()) == {1}


def test_an_executor_has_no_more_in_flight_than_it_may(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY = 3
    upstream.behave(lambda _: succeed(delay=0.02))
    batch = started(project, request_lines(30))
    run_executor()
    assert upstream.peak_in_flight == 3
    assert set(statuses(batch).values()) == {"succeeded"}


def test_a_small_batch_does_not_wait_behind_a_big_one(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY = 2
    upstream.behave(lambda _: succeed(delay=0.02))
    started(project, request_lines(200))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) > 10)
        started(project, request_lines(2, prefix="small"))
        before = len(upstream.requests)
    order = [named(request) for request in upstream.requests]
    assert len(order) == 202
    assert order.index("small-2") < before + 100


def test_a_cancel_reaches_the_executor_and_what_is_in_flight_settles(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY, settings.SLICE_LINES = 2, 3
    upstream.behave(lambda _: succeed(delay=1.0))
    batch = started(project, request_lines(9))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 2)
        cancel(batch, actor=TESTER, now=timezone.now())
        cancelled_at = monotonic()
        assert ended(batch).status == "cancelling", "something is in flight"
    assert len(upstream.requests) == 2
    assert monotonic() - cancelled_at < 3.0
    batch = ended(batch)
    assert batch.status == "cancelled"
    assert (batch.succeeded, batch.cancelled, upstream.abandoned) == (2, 7, 0)
    assert {line["error"]["code"] for line in error_lines(batch)} == {"batch_cancelled"}


def test_what_does_not_settle_in_time_after_a_cancel_is_given_up(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.CANCEL_GRACE_SECONDS = 0.3
    upstream.behave(lambda _: stay_silent())
    batch = started(project, request_lines(3))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 3)
        cancel(batch, actor=TESTER, now=timezone.now())
    upstream.wait_until(lambda u: u.abandoned == 3)
    assert ended(batch).cancelled == 3


def test_nothing_is_sent_after_the_deadline(project: Project, provider: Provider, upstream: Upstream, settings: Settings) -> None:
    settings.EXECUTOR_CONCURRENCY, settings.CANCEL_GRACE_SECONDS = 1, 0.2
    upstream.behave(lambda request: stay_silent() if named(request) == "row-2" else succeed())
    batch = started(project, request_lines(4), window=timedelta(seconds=1.0))
    with executors(1):
        wait_until(lambda: timezone.now() > batch.expires_at)
        reconcile(now=timezone.now())
    assert list(sent(upstream)) == ["row-1", "row-2"]
    batch = ended(batch)
    assert batch.status == "expired"
    assert batch.succeeded == 1
    assert [line["custom_id"] for line in output_lines(batch)] == ["row-1"]
    codes = {line["custom_id"]: line["error"]["code"] for line in error_lines(batch)}
    assert codes["row-3"] == codes["row-4"] == "batch_expired"
    assert set(codes) == {"row-2", "row-3", "row-4"}


def test_an_executor_heeds_the_deadline_by_itself(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.EXECUTOR_CONCURRENCY, settings.CANCEL_GRACE_SECONDS = 1, 5.0
    upstream.behave(lambda _: succeed(delay=0.3))
    batch = started(project, request_lines(9), window=timedelta(seconds=1.0))
    deadline = monotonic() + (batch.expires_at - timezone.now()).total_seconds()
    run_executor()
    assert upstream.requests
    assert all(request.at < deadline + 0.1 for request in upstream.requests), "nobody had told it that the batch expired"
    assert Batch.objects.get(pk=batch.pk).status == "in_progress"
    assert statuses(batch)["row-9"] == "pending"


def unusable(kind: str) -> Provider:
    """A provider that is enabled and cannot be used."""
    if kind == "credential":
        return provider_at("http://127.0.0.1:9/v1", name="broken", credential_env="BATCHYARD_CREDENTIAL_NONE")
    if kind == "adapter":
        return Provider.objects.create(name="broken", adapter="from-another-version", is_default=True)
    return Provider.objects.create(name="broken", adapter="simulator", options={"nonsense": 1})


@pytest.mark.parametrize("kind", ["credential", "adapter", "options"])
def test_a_provider_that_cannot_be_used_has_its_batches_wait_and_no_others(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, kind: str
) -> None:
    settings.SLICE_LINES = 2
    blocked = started(project, request_lines(7))
    Batch.objects.filter(pk=blocked.pk).update(provider=unusable(kind))
    good = started(project, request_lines(3), provider_name="local")
    run_executor()
    assert set(statuses(good).values()) == {"succeeded"}
    assert set(statuses(blocked).values()) == {"pending"}
    blocked.refresh_from_db()
    assert blocked.status == "in_progress"
    assert blocked.is_blocked(now=timezone.now())
    assert "broken" in blocked.blocked_reason
    assert not Slice.objects.filter(batch=blocked, lease_owner__isnull=False).exists(), "others may take it up"


@pytest.mark.parametrize("change", ["vanished", "shorter", "other"])
def test_an_input_that_is_not_what_was_validated_fails_the_batch(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, change: str
) -> None:
    settings.SLICE_LINES = 2
    batch = started(project, request_lines(5))
    file = batch.input_file
    assert file is not None
    storage, name = file.content.storage, str(file.content.name)
    if change == "vanished":
        storage.delete(name)
    else:
        with storage.open(name, "r+b") as content:
            content.write(b"x" * 50) if change == "other" else content.truncate(10)
    run_executor()
    batch = ended(batch)
    assert (batch.status, batch.total, batch.failed + batch.succeeded) == ("failed", 5, 5)
    assert "The input file" in BatchError.objects.get(batch=batch, line=None).message


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (babble(), "invalid_response"),
        (say(b"<html>busy</html>"), "unconfirmed"),
        (say(b'{"a":"\xff"}'), "unconfirmed"),
        (say(b'{"a":"\x00"}'), "unconfirmed"),
        (say(b"[" * 100_000), "unconfirmed"),
        (say(b"", status=204), "unconfirmed"),
        (say(b"x" * 2_000_000), "response_too_large"),
        (say(b"\xff\x00" * 100, status=400), "invalid_request"),
    ],
    ids=["no HTTP", "HTML", "not UTF-8", "raw NUL", "deep", "nothing", "too large", "refusal in garbage"],
)
def test_garbage_fails_the_object_and_nothing_else(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, answer: Answer, kind: str
) -> None:
    settings.MAX_ATTEMPTS, settings.MAX_RESPONSE_BYTES = 2, 1_000_000
    upstream.behave(lambda request: answer if named(request) == "row-2" else succeed())
    batch = started(project, request_lines(3))
    run_executor()
    assert statuses(batch) == {"row-1": "succeeded", "row-2": "failed", "row-3": "succeeded"}
    assert BatchError.objects.get(batch=batch).kind == kind
    assert ended(batch).status == "completed"


def test_an_answer_of_ten_megabytes_is_kept(project: Project, provider: Provider, upstream: Upstream) -> None:
    body = json.dumps({"choices": [{}], "text": "é" * 5_000_000}, ensure_ascii=False).encode()
    upstream.behave(lambda _: say(body))
    batch = ended_after_run(started(project, request_lines(2)))
    assert [len(line["response"]["body"]["text"]) for line in output_lines(batch)] == [5_000_000] * 2


def ended_after_run(batch: Batch) -> Batch:
    run_executor()
    return ended(batch)


def test_a_process_that_is_to_end_brings_home_what_is_in_flight_and_leaves_the_rest(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown, "stopping", shutdown.Flag())
    settings.EXECUTOR_CONCURRENCY = 2
    upstream.behave(lambda _: succeed(delay=0.5))
    batch = started(project, request_lines(6))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 2)
        shutdown.stopping.set()
    assert Counter(statuses(batch).values()) == {"succeeded": 2, "pending": 4}
    assert upstream.abandoned == 0
    assert not Slice.objects.filter(lease_expires_at__isnull=False).exists()
    monkeypatch.setattr(shutdown, "stopping", shutdown.Flag())
    run_executor()
    assert set(statuses(batch).values()) == {"succeeded"}
    assert set(sent(upstream).values()) == {1}


def test_an_executor_too_many_ends_at_once(project: Project, provider: Provider, upstream: Upstream, settings: Settings) -> None:
    now = timezone.now()
    Worker.objects.create(role=Worker.Role.EXECUTE, name="another", seat=0, started_at=now, seen_at=now)
    settings.EXECUTORS = 1
    started(project, request_lines(1))
    run_executor()
    assert not upstream.requests


def test_a_slice_that_was_taken_over_is_dropped(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    upstream.behave(lambda _: succeed(delay=0.7))
    batch = started(project, request_lines(2))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) == 2)
        later = timezone.now() + timedelta(minutes=1)
        Slice.objects.update(lease_epoch=9, lease_expires_at=later, lease_owner=None)
    assert set(statuses(batch).values()) == {"pending"}
    assert upstream.abandoned == 2
    assert Batch.objects.get(pk=batch.pk).status == BatchStatus.IN_PROGRESS


def end_other_connections() -> bool:
    """End every connection to the database but this one. Whether there was any."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return bool(cursor.fetchone()[0])


def test_nothing_is_sent_under_a_lease_that_could_not_be_renewed(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.LEASE_SECONDS, settings.EXECUTOR_CONCURRENCY = 0.5, 1
    upstream.behave(lambda _: succeed(delay=0.05))
    batch = started(project, request_lines(60))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) > 5)
        with transaction.atomic():
            list(Slice.objects.select_for_update().filter(batch=batch))  # nothing can be handed in meanwhile
            held_at = monotonic()
            wait_until(lambda: monotonic() > held_at + 2.0)
        last = max(request.at for request in upstream.requests if request.at < held_at + 2.0)
        assert last < held_at + settings.LEASE_SECONDS + 0.2, "another may have sent for the same"
    assert set(statuses(batch).values()) == {"succeeded"}
    assert set(sent(upstream).values()) == {1}


@pytest.mark.servers
def test_a_database_that_is_gone_for_a_moment_loses_nothing(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.SLICE_LINES, settings.EXECUTOR_CONCURRENCY = 10, 20
    upstream.behave(lambda request: succeed(delay=0.05) if request.number % 5 else refuse(500))
    batch = started(project, request_lines(300))
    with executors(1):
        for served in (20, 100, 200):
            wait_until(lambda: len(upstream.requests) > served)  # noqa: B023 - asked at once
            wait_until(end_other_connections)  # it may be between two just now
    assert set(statuses(batch).values()) == {"succeeded"}
    assert_counts_are_true(batch)
    answered = Counter(named(request) for request in upstream.requests if request.number % 5)
    assert set(answered.values()) == {1}, "no success was paid for twice"
