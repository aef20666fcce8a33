"""C12: a batch that skips the invalid lines of its input."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchError, BatchErrorGroup, BatchObject, BatchResult, ErrorGroupHour, OnInvalid, Project, Slice
from batches.rules.states import ObjectStatus
from batches.services.consistency.base import BatchesPage
from batches.services.consistency.verify import CHECKS
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.lifecycle.validate import validate
from batches.services.results.results import results
from batches.services.retry.child import NothingToRetry
from batches.services.retry.preview import preview
from batches.services.retry.retry import retry
from batches.services.retry.selection import EVERYTHING, Selection
from tests.cast import (
    TESTER,
    assert_counts_are_true,
    ended,
    error_lines,
    output_lines,
    pending,
    request_line,
    run_executor,
    started,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

ASKED = [{"role": "user", "content": "x"}]
GOOD = [request_line(f"row-{number}", messages=ASKED) for number in range(1, 5)]
BAD = b"".join(
    [
        GOOD[0],
        b"not json\n",
        GOOD[1],
        request_line("row-1"),  # a duplicate
        json.dumps({"custom_id": "shapeless", "body": 3}).encode() + b"\n",
        request_line("elsewhere", endpoint="/v1/embeddings"),
        b"\n",
        b'{"custom_id": "cut \xff"}\n',
        GOOD[2],
        request_line("another", model="n"),
    ]
)
INVALID = {2: "", 4: "", 5: "shapeless", 6: "elsewhere", 8: "", 10: "another"}
CODES = ["invalid_json_line", "duplicate_custom_id", "invalid_request", "url_mismatch", "invalid_json_line", "model_mismatch"]


def skipping(project: Project, content: bytes = BAD, **more: Any) -> Batch:
    return started(project, content, on_invalid=OnInvalid.SKIP, **more)


def assert_clean(batch: Batch) -> None:
    """Nothing disagrees, as `verify --check` would tell."""
    fresh = list(Batch.objects.select_related("provider", "input_file", "output_file", "error_file").filter(pk=batch.pk))
    assert [str(found) for check in CHECKS for found in check.look(BatchesPage(fresh), now=timezone.now())] == []
    assert_counts_are_true(batch)


def test_c12_good_lines_wait_and_each_bad_one_has_failed(project: Project) -> None:
    batch = skipping(project)
    assert (batch.status, batch.model, batch.error_count, batch.skipped_lines) == ("in_progress", "m", 6, 6)
    assert (batch.counts.total, batch.counts.pending, batch.counts.failed) == (9, 3, 6)
    assert list(batch.errors.order_by("line").values_list("line", "round", "code")) == [
        (line, 1, code) for line, code in zip(INVALID, CODES, strict=True)
    ]
    assert_clean(batch)


@pytest.mark.django_db(transaction=True)  # the executor has a thread of its own
def test_c12_only_good_lines_are_sent_and_the_files_have_a_line_for_each(project: Project, settings: Settings) -> None:
    settings.SLICE_LINES = 2
    batch = skipping(project)
    run_executor()
    batch = ended(batch)
    assert (batch.status, batch.succeeded, batch.failed, batch.total) == ("completed", 3, 6, 9)
    assert [line["custom_id"] for line in output_lines(batch)] == ["row-1", "row-2", "row-3"]
    found = error_lines(batch)
    assert {line["error"]["line"]: line["custom_id"] for line in found} == INVALID
    assert [line["error"]["code"] for line in found] == CODES
    assert all(line["response"] is None and line["error"]["message"] for line in found)
    assert_clean(batch)


def test_a_slice_with_skipped_lines_is_leased_without_them(project: Project) -> None:
    skipping(project)
    (lease,) = claim(executor=Batch.objects.get().pk, appetite=Appetite(5), now=timezone.now())
    assert [item.line for item in pending(lease)] == [1, 3, 9]


@pytest.mark.django_db(transaction=True)  # the executor has a thread of its own
def test_c12_results_are_the_same_from_the_files(project: Project) -> None:
    batch = skipping(project)
    run_executor()
    batch = ended(batch)
    before = list(results(batch))
    BatchResult.objects.filter(batch=batch).delete()
    Batch.objects.filter(pk=batch.pk).update(results_pruned_at=timezone.now())
    assert list(results(Batch.objects.get(pk=batch.pk))) == before
    assert {result.line: result.custom_id for result in before if result.is_invalid} == INVALID


@pytest.mark.parametrize("content", [b"{}\nnot json\n", request_line("a", model="") * 3], ids=["unreadable", "readable"])
def test_c12_an_input_of_bad_lines_alone_fails_as_ever(project: Project, content: bytes) -> None:
    batch = skipping(project, content)
    assert (batch.status, batch.total, batch.skipped_lines) == ("failed", 0, 0)
    assert batch.error_count == batch.errors.filter(round=None).count() >= 2
    assert not BatchObject.objects.exists()
    assert not BatchResult.objects.exists()
    assert_clean(batch)


def test_what_is_wrong_with_the_input_as_a_whole_is_not_skipped(project: Project, settings: Settings) -> None:
    settings.MAX_BATCH_LINES = 2
    assert skipping(project, b"".join(GOOD)).status == "failed"
    assert not BatchObject.objects.exists()


def test_c12_the_default_stays_to_fail(project: Project) -> None:
    batch = started(project, BAD)
    assert (batch.status, batch.on_invalid, batch.total) == ("failed", "fail", 0)


@pytest.mark.django_db(transaction=True)  # the executor has a thread of its own
def test_c12_a_retry_leaves_skipped_lines_out(project: Project) -> None:
    batch = skipping(project)
    assert preview(batch, selection=EVERYTHING, now=timezone.now()).retried == 0
    with pytest.raises(NothingToRetry):
        retry(batch, selection=EVERYTHING, actor=TESTER, now=timezone.now())
    run_executor()
    batch = ended(batch)
    for selection in (EVERYTHING, Selection(lines=frozenset(INVALID)), Selection(frozenset({batch.errors.all()[0].fingerprint}))):
        assert preview(batch, selection=selection, now=timezone.now()).retried == 0
        with pytest.raises(NothingToRetry):
            retry(batch, selection=selection, actor=TESTER, now=timezone.now())


def test_c12_a_validation_from_scratch_counts_nothing_twice(project: Project) -> None:
    batch = skipping(project)
    Batch.objects.filter(pk=batch.pk).update(status="validating", in_progress_at=None, error_count=0)
    validate(batch.id, now=timezone.now())
    batch = Batch.objects.get(pk=batch.pk)
    assert (batch.status, batch.counts.failed, BatchError.objects.count()) == ("in_progress", 6, 6)
    assert sum(BatchErrorGroup.objects.values_list("count", flat=True)) == 6
    assert sum(ErrorGroupHour.objects.values_list("count", flat=True)) == 6
    assert_clean(batch)


@pytest.mark.django_db(transaction=True)  # the executor has a thread of its own
def test_skipped_lines_do_not_set_off_the_guard_of_an_error_rate(project: Project, settings: Settings) -> None:
    settings.GUARD_SAMPLE = 1
    batch = skipping(project, guards={"max_error_rate": 0.1, "error_sample": 1})
    run_executor()
    assert (ended(batch).status, ended(batch).succeeded) == ("completed", 3)


@pytest.mark.django_db(transaction=True)  # the executor has a thread of its own
def test_a_line_that_is_too_long_is_skipped_and_never_read(project: Project, settings: Settings) -> None:
    settings.MAX_LINE_BYTES, settings.SLICE_BYTES = 300, 500
    batch = skipping(project, GOOD[0] + request_line("long", pad="x" * 2000) + GOOD[1])
    assert list(Slice.objects.order_by("first_line").values_list("total", "pending")) == [(1, 1), (1, 0), (1, 1)]
    run_executor()
    batch = ended(batch)
    assert (batch.succeeded, [line["error"]["code"] for line in error_lines(batch)]) == (2, ["line_too_large"])
    assert BatchObject.objects.get(line=2).status == ObjectStatus.FAILED


@pytest.mark.parametrize("line", INVALID)
def test_a_skipped_line_has_a_page_whatever_stands_in_it(project: Project, admin_client: Client, line: int) -> None:
    batch = skipping(project)
    answer = admin_client.get(f"/console/batches/{batch}/lines/{line}/")
    assert answer.status_code == 200
    assert CODES[list(INVALID).index(line)] in answer.content.decode()
