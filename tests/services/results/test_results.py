"""Reading what came of objects, in input order, at any time, and what was asked."""

import json
import uuid

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchObject, BatchResult, File, Project
from batches.rules.errors import Gone
from batches.rules.states import ObjectStatus
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.lifecycle.settle import Report, settle
from batches.services.results import results
from batches.services.results.object_result import result_line
from batches.services.results.results import request_lines as requests_of
from batches.services.results.results import result_of, settled_results
from batches.services.tally.outcomes import Settled
from providers.base import Failure, Success
from providers.failures import Kind
from tests.cast import request_line, request_lines, started

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

BIG = b'{"n":123456789012345678901234567890,"x":1.10}'


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """row-1 succeeded, row-2 was refused, row-3 got no answer, row-4 was cancelled, row-5 expired, row-6 waits."""
    settings.SLICE_LINES = 4
    batch = started(project, request_lines(6))
    leases = claim(executor=uuid.uuid4(), appetite=Appetite(9), now=timezone.now())
    piece = leases[0].piece
    outcomes: list[Success | Failure] = [
        Success(200, BIG, "req_1"),
        Failure(Kind.INVALID_REQUEST, "No.", code="bad", http_status=400, body=b'{"error":{"code":"bad"}}', request_id="req_2"),
        Failure(Kind.TIMEOUT, "Too late.", code="timeout"),
    ]
    rows = [Settled(piece.pk, batch.pk, line, 1, line, 7, outcome) for line, outcome in enumerate(outcomes, start=1)]
    settle(Report({batch.pk: batch}, {piece.pk: leases[0].epoch}, rows), now=timezone.now())
    for line, status in ((4, ObjectStatus.CANCELLED), (5, ObjectStatus.EXPIRED)):
        BatchObject.objects.filter(batch=batch, line=line).update(status=status, settled_at=timezone.now())
    return batch


def test_every_object_is_told_in_input_order_whatever_became_of_it(batch: Batch) -> None:
    found = list(results.results(batch))
    assert [(result.line, result.custom_id, result.status) for result in found] == [
        (1, "row-1", "succeeded"),
        (2, "row-2", "failed"),
        (3, "row-3", "failed"),
        (4, "row-4", "cancelled"),
        (5, "row-5", "expired"),
        (6, "row-6", "pending"),
    ]
    assert [result.is_settled for result in found] == [True] * 5 + [False]
    assert [(result.error_code, bool(result.body)) for result in found] == [
        ("", True),
        ("bad", True),
        ("timeout", False),
        ("batch_cancelled", False),
        ("batch_expired", False),
        ("", False),
    ]
    assert found == [result_of(row) for row in BatchObject.objects.filter(batch=batch)]


@pytest.mark.parametrize("first", [1, 2, 5, 6, 7])
@pytest.mark.parametrize("most", [1, 3, 500])
@pytest.mark.parametrize("chars", [1, 100, 10**6])
def test_pages_do_not_show(batch: Batch, monkeypatch: pytest.MonkeyPatch, first: int, most: int, chars: int) -> None:
    monkeypatch.setattr(results, "FIRST_PAGE", first)
    monkeypatch.setattr(results, "PAGE", most)
    monkeypatch.setattr(results, "PAGE_CHARS", chars)
    assert [result.line for result in results.results(batch)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("after", "limit", "chars", "lines", "more"),
    [
        (0, 10, 10**6, [1, 2, 3, 4, 5], False),
        (0, 2, 10**6, [1, 2], True),
        (3, 2, 10**6, [4, 5], False),
        (5, 2, 10**6, [], False),
        (0, 10, 1, [1], True),
        (0, 10, len(BIG), [1], True),
        (2, 10, 1, [3, 4, 5], False),
    ],
)
def test_settled_results_are_cut_by_count_and_by_size(
    batch: Batch, after: int, limit: int, chars: int, lines: list[int], more: object
) -> None:
    page, has_more = settled_results(batch, after_line=after, limit=limit, max_chars=chars)
    assert ([result.line for result in page], has_more) == (lines, more)


def test_result_lines_hold_the_answer_as_it_was(batch: Batch) -> None:
    first, second, third, fourth, *_ = results.results(batch)
    head = f'{{"id":"batch_req_{first.id.hex}","custom_id":"row-1","response":{{"status_code":200,"request_id":"req_1","body":'
    assert result_line(first) == head.encode() + BIG + b'},"error":null}\n'
    assert b'"status_code":400,"request_id":"req_2","body":{"error":{"code":"bad"}}},"error":null}' in result_line(second)
    assert result_line(third).endswith(b'"response":null,"error":{"code":"timeout","message":"Too late."}}\n')
    assert b'"response":null,"error":{"code":"batch_cancelled"' in result_line(fourth)


def test_a_failure_that_looks_like_a_success_says_in_its_line_that_it_is_none(project: Project) -> None:
    batch = started(project, request_lines(1))
    [lease] = claim(executor=uuid.uuid4(), appetite=Appetite(1), now=timezone.now())
    outcome = Failure(Kind.UNCONFIRMED, "No JSON.", code="unconfirmed", http_status=200, body=b'"<html>"')
    settled = [Settled(lease.piece.pk, batch.pk, 1, 1, 1, 7, outcome)]
    settle(Report({batch.pk: batch}, {lease.piece.pk: lease.epoch}, settled), now=timezone.now())

    [result] = results.results(batch)

    line = json.loads(result_line(result))
    assert line["error"] == {"code": "unconfirmed", "message": "No JSON."}
    assert line["response"]["status_code"] == 502
    assert line["response"]["body"]["error"]["body"] == "<html>"


def test_a_page_ends_before_a_body_that_is_much_longer_than_usual(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    BatchResult.objects.filter(batch=batch, line=2).update(body=json.dumps("x" * 500))
    monkeypatch.setattr(results, "PAGE_CHARS", 100)

    def lines(after: int) -> tuple[list[int], bool]:
        rows, more = results._rows(batch, after_line=after, last_line=6, limit=6)
        return [row.line for row in rows], more

    assert [lines(0), lines(1), lines(2)] == [([1], True), ([2], True), ([3, 4, 5, 6], False)]
    assert [result.line for result in results.results(batch, first_page=6)] == [1, 2, 3, 4, 5, 6]


def test_other_batches_are_not_told_of(batch: Batch, project: Project) -> None:
    other = started(project, request_lines(1, prefix="other"))
    assert [result.custom_id for result in results.results(other)] == ["other-1"]


def test_requests_are_read_back_as_they_were_written(project: Project, settings: Settings) -> None:
    settings.SLICE_LINES = 2
    rows = [request_line(f"row-{n}", text="é").strip() for n in range(5)]
    batch = started(project, rows[0] + b"\n\n \r\n" + rows[1] + b"\r\n  " + rows[2] + b"\n" + rows[3] + b"\n" + rows[4])
    everything = {1: rows[0], 4: rows[1], 5: rows[2], 6: rows[3], 7: rows[4]}
    for first in range(1, 9):
        for last in range(first, 9):
            asked = {line: row for line, row in everything.items() if first <= line <= last}
            assert requests_of(batch, first_line=first, last_line=last) == asked


@pytest.mark.parametrize("how", ["purged", "vanished", "none"])
def test_requests_that_are_not_kept_are_gone(project: Project, how: str) -> None:
    batch = started(project, request_lines(2))
    file = batch.input_file
    assert file is not None
    if how == "purged":
        File.objects.filter(pk=file.pk).update(purged_at=timezone.now())
    elif how == "vanished":
        file.content.storage.delete(str(file.content.name))
    else:
        Batch.objects.filter(pk=batch.pk).update(input_file=None)
    with pytest.raises(Gone, match="no longer kept"):
        requests_of(Batch.objects.get(pk=batch.pk), first_line=1, last_line=2)
