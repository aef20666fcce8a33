"""The executor against an upstream over real HTTP."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchError, BatchObject, Project, Slice, Worker
from providers.failures import Kind
from providers.models import Provider
from tests.answers import Answer, babble, refuse, say, succeed
from tests.cast import (
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
from tests.engine.executors import executors, named, sent
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


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
        until(lambda: Batch.objects.get(pk=batch.pk).throttled_until)
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
        until(lambda: Slice.objects.exclude(lease_owner=None).values("lease_owner").distinct().count() == 2)
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
