"""Recording what came of objects: once, under a valid lease alone, with counts that are always those of the rows."""

import uuid
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import (
    Attempt,
    Batch,
    BatchError,
    BatchErrorGroup,
    BatchMinute,
    BatchObject,
    ErrorGroup,
    ErrorGroupHour,
    Project,
    ThrottledBy,
)
from batches.services.control.cancel import cancel
from batches.services.lifecycle.claim import Lease, claim
from batches.services.lifecycle.settle import Receipt, Throttled, settle
from batches.services.results.results import result_of
from batches.services.tally.error_groups import recount_groups
from providers.base import Failure, Success, Usage
from providers.failures import Kind
from tests.cast import TESTER, assert_counts_are_true, pending, provider_at, request_lines, started, statuses
from tests.services.lifecycle.conftest import BAD, BUSY, EAGER, bad, hand_in, report, settled, tried

pytestmark = pytest.mark.django_db


def test_a_success_is_recorded_with_all_that_is_known_of_it(batch: Batch, leases: list[Lease]) -> None:
    assert hand_in(leases[0], settled=[settled(leases[0], 2, attempts=3)]) == Receipt()
    found = BatchObject.objects.get(batch=batch, line=2)
    assert (found.status, found.attempts, found.http_status, found.latency_ms) == ("succeeded", 3, 200, 12)
    assert (found.input_tokens, found.output_tokens, found.cached_tokens, found.reasoning_tokens) == (9, 3, 4, 1)
    assert (found.request_id, found.settled_at is None) == ("req_1", False)
    assert result_of(found).body == '{"ok":true}'
    assert_counts_are_true(batch)
    assert (batch.counts.succeeded, batch.counts.pending, batch.counts.input_tokens) == (1, 5, 9)


def test_a_failure_is_recorded_with_its_reason_and_the_reasons_group(batch: Batch, leases: list[Lease]) -> None:
    hand_in(leases[0], settled=[settled(leases[0], 1, BAD), settled(leases[0], 3, bad("other"))])
    assert statuses(batch) == {f"row-{n}": "failed" if n in (1, 3) else "pending" for n in range(1, 7)}
    result = result_of(BatchObject.objects.get(batch=batch, line=1))
    assert (result.error_code, result.error_message, result.body) == ("bad_thing", 'No such "thing"', '{"error":{}}')
    failed = BatchObject.objects.get(batch=batch, line=1)
    assert (failed.kind, failed.retry_after) == ("invalid_request", BAD.retry_after)
    first, second = BatchError.objects.filter(batch=batch)
    assert (first.line, first.round, first.code, first.param, first.http_status) == (1, 1, "bad_thing", "n", 400)
    assert (first.kind, first.source) == ("invalid_request", "caller")
    assert first.fingerprint == second.fingerprint
    assert_counts_are_true(batch)
    [group] = BatchErrorGroup.objects.select_related("group")
    assert (group.batch_id, group.count, group.first_line, group.last_line) == (batch.pk, 2, 1, 3)
    assert (group.group.fingerprint, group.group.project_id) == (first.fingerprint, batch.project_id)
    assert (group.group.message, group.group.sample) == ("No such <text>", 'No such "thing"')
    assert [hour.count for hour in ErrorGroupHour.objects.all()] == [2]


def test_a_group_grows_with_every_report(batch: Batch, leases: list[Lease]) -> None:
    hand_in(leases[0], settled=[settled(leases[0], 3, BAD)])
    hand_in(leases[1], settled=[settled(leases[1], 4, BAD), settled(leases[1], 5, Failure(Kind.TIMEOUT, "Late"))])
    counts = BatchErrorGroup.objects.filter(batch=batch).order_by("-count").values_list("count", "first_line", "last_line")
    assert list(counts) == [(2, 3, 4), (1, 5, 5)]
    assert ErrorGroup.objects.count() == 2


def test_a_group_counts_what_was_not_sent_for_again(batch: Batch, leases: list[Lease]) -> None:
    hand_in(leases[0], settled=[settled(leases[0], line, BAD) for line in (1, 2, 3)])
    BatchError.objects.filter(line=2).update(retried_at=timezone.now())
    recount_groups(batch, [BatchError.objects.filter(line=2).get().fingerprint])
    assert BatchErrorGroup.objects.get().count == 2


def test_a_known_cost_is_counted_once_and_an_unknown_one_is_not_nothing(batch: Batch, leases: list[Lease]) -> None:
    dear = msgspec.structs.replace(settled(leases[0], 1), cost_nanos=1_500_000_000)
    report_ = report(leases[0], settled=[dear, settled(leases[0], 2)])
    settle(report_, now=timezone.now())
    settle(report_, now=timezone.now())
    batch.forget_counts()
    assert (batch.counts.cost, batch.counts.unpriced) == (Decimal("1.5"), 1)
    assert BatchObject.objects.get(batch=batch, line=1).cost_nanos == 1_500_000_000


def test_what_went_on_in_a_minute_is_noted(batch: Batch, leases: list[Lease]) -> None:
    hand_in(leases[0], settled=[settled(leases[0], 1), settled(leases[0], 2, BAD)], tried=[tried(leases[0], 3, 1)])
    hand_in(leases[0], tried=[tried(leases[0], 3, 2, Failure(Kind.TIMEOUT, "Late"))])
    minutes = BatchMinute.objects.filter(batch=batch)
    assert sum(minute.succeeded for minute in minutes) == 1
    assert sum(minute.failed for minute in minutes) == 1
    assert sum(minute.retried for minute in minutes) == 2
    assert sum(minute.throttled for minute in minutes) == 1
    assert sum(minute.latency_ms for minute in minutes) == 24


def test_an_executor_learns_what_is_paused_or_goes_elsewhere(batch: Batch, leases: list[Lease]) -> None:
    assert hand_in(leases[0]) == Receipt()
    known = leases[0].piece.batch  # as it was
    assert known.provider_id == batch.provider_id
    Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now())
    assert hand_in(leases[0]) == Receipt(held_back=frozenset({batch.pk}))
    Batch.objects.filter(pk=batch.pk).update(paused_at=None, provider=provider_at("http://127.0.0.1:1"))
    assert hand_in(leases[0]) == Receipt(held_back=frozenset({batch.pk}))


def test_unknown_usage_stays_unknown_and_known_usage_adds_up(batch: Batch, leases: list[Lease]) -> None:
    huge = Success(200, b"{}", usage=Usage(input=2**31 - 1, output=2**31 - 1))
    silent = Success(200, b"{}")
    hand_in(*leases, settled=[settled(leases[0], 1, huge), settled(leases[0], 2, huge), settled(leases[1], 4, silent)])
    assert BatchObject.objects.get(batch=batch, line=4).input_tokens is None
    assert batch.counts.input_tokens == 2 * (2**31 - 1)
    assert_counts_are_true(batch)


@pytest.mark.parametrize(
    "body",
    [
        '{"a":"\\u0000"}',
        '{"a":"é 🙂 \u2028 \x7f"}',
        '{"n":123456789012345678901234567890.10}',
        '"\\\\N\\t\\n"',
        '{"huge":"' + "x" * 5_000_000 + '"}',
    ],
    ids=["escaped NUL", "unicode", "big number", "backslashes", "huge"],
)
def test_a_body_is_kept_byte_for_byte(batch: Batch, leases: list[Lease], body: str) -> None:
    failure = Failure(Kind.SERVER_ERROR, "é\t\\N", code="x", http_status=500, body=body.encode())
    hand_in(leases[0], settled=[settled(leases[0], 1, Success(200, body.encode())), settled(leases[0], 2, failure)])
    for line in (1, 2):
        assert result_of(BatchObject.objects.get(batch=batch, line=line)).body == body


def test_words_that_are_too_long_are_cut(batch: Batch, leases: list[Lease]) -> None:
    long = "x" * 5000
    failure = Failure(Kind.SERVER_ERROR, long, code=long, param=long, http_status=500, request_id=long)
    hand_in(leases[0], settled=[settled(leases[0], 1, failure)], tried=[tried(leases[0], 2, 1, failure)])
    assert BatchError.objects.filter(batch=batch).count() == Attempt.objects.count() == 1


def test_handing_in_renews_the_leases_and_letting_go_ends_them(batch: Batch, leases: list[Lease]) -> None:
    kept, let_go = leases
    later = timezone.now() + timedelta(seconds=20)
    again_at = later + timedelta(seconds=9)
    settle(report(kept, let_go, done={let_go.piece.pk: again_at}), now=later)
    kept.piece.refresh_from_db()
    let_go.piece.refresh_from_db()
    assert kept.piece.lease_expires_at is not None
    assert kept.piece.lease_expires_at > later
    assert (let_go.piece.lease_owner, let_go.piece.lease_expires_at, let_go.piece.not_before) == (None, None, again_at)
    assert claim(executor=uuid.uuid4(), appetite=EAGER, now=later) == []
    [again] = claim(executor=uuid.uuid4(), appetite=EAGER, now=again_at)
    assert again.piece.pk == let_go.piece.pk


def test_results_of_a_cancelled_batch_are_taken_and_the_executor_is_told_to_stop(batch: Batch, leases: list[Lease]) -> None:
    cancel(batch, actor=TESTER, now=timezone.now())
    receipt = hand_in(leases[0], settled=[settled(leases[0], 1)])
    assert receipt.stopped.keys() == {batch.pk}
    assert statuses(batch)["row-1"] == "succeeded"
    assert_counts_are_true(batch)


def test_a_batch_is_throttled_only_while_it_runs(batch: Batch, leases: list[Lease]) -> None:
    until = timezone.now() + timedelta(minutes=1)
    hand_in(leases[0], throttled={batch.pk: Throttled(until, "Slow down " * 100, ThrottledBy.UPSTREAM)})
    batch.refresh_from_db()
    assert batch.is_throttled(now=timezone.now())
    assert batch.throttled_reason.startswith("Slow down")
    cancel(batch, actor=TESTER, now=timezone.now())
    hand_in(leases[0], throttled={batch.pk: Throttled(until + timedelta(minutes=1), "again", ThrottledBy.LIMIT)})
    batch.refresh_from_db()
    assert batch.throttled_until == until


def test_one_report_may_concern_several_batches(project: Project, batch: Batch, settings: Settings) -> None:
    other = started(project, request_lines(2, prefix="other"))
    leases = claim(executor=uuid.uuid4(), appetite=EAGER, now=timezone.now())
    everything = [settled(lease, waiting.line) for lease in leases for waiting in pending(lease)]
    hand_in(*leases, settled=everything, done={lease.piece.pk: None for lease in leases})
    for one in (batch, other):
        assert set(statuses(one).values()) == {"succeeded"}
        assert_counts_are_true(one)


def test_an_answer_that_the_database_does_not_take_spoils_only_its_own_object(batch: Batch, leases: list[Lease]) -> None:
    unreadable = Success(200, b'{"ok":"\xff"}')
    hand_in(leases[0], settled=[settled(leases[0], 1), settled(leases[0], 2, unreadable), settled(leases[0], 3)])
    assert list(statuses(batch).values())[:3] == ["succeeded", "failed", "succeeded"]
    assert result_of(BatchObject.objects.get(batch=batch, line=2)).error_code == "portal_error"
    assert_counts_are_true(batch)


def test_attempts_that_do_not_count_are_on_record_and_outlive_a_lease(leases: list[Lease]) -> None:
    """U5: whoever takes the slice up next knows how often each request failed, for what, and what of that counts."""
    lease, now = leases[0], timezone.now()
    empty = Failure(Kind.QUOTA, "Insufficient credits", http_status=402)
    attempts = [
        msgspec.structs.replace(tried(lease, 1, 1, empty), counted=False, retry_at=now),
        msgspec.structs.replace(tried(lease, 1, 2, empty), retry_at=now),
        msgspec.structs.replace(tried(lease, 1, 3, BUSY), counted=False, retry_at=now),
    ]
    settle(report(lease, tried=attempts, done={lease.piece.pk: None}), now=now)
    later = now + timedelta(seconds=1)
    [again] = [found for found in claim(executor=uuid.uuid4(), appetite=EAGER, now=later) if found.piece == lease.piece]
    first, *others = pending(again)
    assert (first.line, first.attempts, first.failures) == (1, 3, {Kind.QUOTA.value: 1})
    assert first.last_strike == now
    assert all((one.attempts, one.failures, one.last_strike) == (0, {}, None) for one in others)
