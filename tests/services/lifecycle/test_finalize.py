"""Ending a batch: an outcome for every object, two files that are together the input, frozen counts."""

import json
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchObject, BatchResult, File, Project, Slice
from batches.rules.states import BatchStatus
from batches.services.control.cancel import cancel
from batches.services.core.lease import AGAIN_AFTER
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.lifecycle.expire import expire
from batches.services.lifecycle.finalize import finalize
from batches.services.lifecycle.result_writer import Inconsistent
from batches.services.lifecycle.settle import Report, settle
from batches.services.tally.outcomes import Settled
from providers.base import Failure, Success, Usage
from providers.failures import Kind
from tests.cast import (
    TESTER,
    counted,
    ended,
    error_lines,
    output_lines,
    pending,
    request_lines,
    started,
    statuses,
    submitted,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

LINES = 11


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    settings.SLICE_LINES = 3
    return started(project, request_lines(LINES))


def run(batch: Batch, *, good: set[int], bad: set[int] = frozenset()) -> None:  # type: ignore[assignment]
    """Settle these lines, as an executor would, and let go of all slices."""
    leases = claim(executor=uuid.uuid4(), appetite=Appetite(100), now=timezone.now())
    rows = []
    for lease in leases:
        for waiting in pending(lease):
            if waiting.line in good:
                body = f'{{"line":{waiting.line},"text":"é"}}'.encode()
                outcome: Success | Failure = Success(200, body, f"req_{waiting.line}", Usage(9, 3, 4, 1))
            elif waiting.line in bad:
                outcome = Failure(Kind.TIMEOUT, "Too late.", code="timeout")
            else:
                continue
            rows.append(Settled(lease.piece.pk, batch.pk, waiting.line, 1, 1, 5, outcome))
    report = Report(
        batches={batch.pk: batch},
        epochs={lease.piece.pk: lease.epoch for lease in leases},
        settled=rows,
        done={lease.piece.pk: None for lease in leases},
    )
    settle(report, now=timezone.now())


def everything() -> set[int]:
    return set(range(1, LINES + 1))


def content(file: File | None) -> bytes:
    if file is None:
        return b""
    with file.content.open("rb") as source:
        return bytes(source.read())


def assert_files_are_the_input(batch: Batch) -> None:
    """Disjoint, together the input, each in input order, and each slice's ranges hold its lines."""
    order = list(BatchObject.objects.filter(batch=batch).order_by("line").values_list("custom_id", flat=True))
    output = [line["custom_id"] for line in output_lines(batch)]
    error = [line["custom_id"] for line in error_lines(batch)]
    assert sorted(output + error, key=order.index) == order
    assert output == sorted(output, key=order.index)
    assert error == sorted(error, key=order.index)
    states = statuses(batch)
    assert set(output) == {name for name, status in states.items() if status == "succeeded"}
    written = {"output": content(batch.output_file), "error": content(batch.error_file)}
    for name, whole in written.items():
        reached = 0
        for piece in Slice.objects.filter(batch=batch).order_by("first_line"):
            start, end = getattr(piece, f"{name}_start"), getattr(piece, f"{name}_end")
            assert start == reached
            reached = end
            lines = [json.loads(line)["custom_id"] for line in whole[start:end].splitlines()]
            assert lines == [
                row for row in order[piece.first_line - 1 : piece.last_line] if row in (output, error)[name == "error"]
            ]
        assert reached == len(whole)
    assert (len(output), len(error)) == (batch.counts.succeeded, batch.counts.unsuccessful)


def test_a_batch_with_every_outcome_ends_with_two_files_that_are_the_input(batch: Batch, settings: Settings) -> None:
    run(batch, good={2, 3, 4, 5, 6, 11}, bad={1, 7})
    cancel(Batch.objects.get(pk=batch.pk), actor=TESTER, now=timezone.now())
    batch = ended(batch)
    assert batch.status == "cancelled"
    assert (batch.total, batch.succeeded, batch.failed, batch.cancelled, batch.pending) == (11, 6, 2, 3, 0)
    assert batch.input_tokens == 6 * 9
    assert_files_are_the_input(batch)
    assert batch.counts == counted(batch)
    assert output_lines(batch)[0]["response"] == {"status_code": 200, "request_id": "req_2", "body": {"line": 2, "text": "é"}}
    errors = {line["custom_id"]: line["error"] for line in error_lines(batch)}
    assert errors["row-1"] == {"code": "timeout", "message": "Too late."}
    assert errors["row-8"]["code"] == "batch_cancelled"


def test_a_batch_that_ran_is_completed_and_its_files_are_the_clients(batch: Batch, settings: Settings) -> None:
    run(batch, good=everything())
    batch = ended(batch)
    assert (batch.status, batch.error_file) == ("completed", None)
    file = batch.output_file
    assert file is not None
    assert (file.purpose, file.filename, file.bytes) == ("batch_output", f"{batch}_output.jsonl", len(content(file)))
    assert file.expires_at == file.created_at + timedelta(seconds=settings.FILE_LIFETIME_SECONDS)
    assert [event.to_status for event in batch.events.all()] == ["validating", "in_progress", "finalizing", "completed"]
    assert_files_are_the_input(batch)


def test_a_batch_of_failures_has_no_output_file_and_is_completed(batch: Batch) -> None:
    run(batch, good=set(), bad=everything())
    batch = ended(batch)
    assert (batch.status, batch.output_file, batch.failed) == ("completed", None, LINES)
    assert_files_are_the_input(batch)


def test_result_files_live_as_long_as_the_client_wished(project: Project) -> None:
    batch = started(project, request_lines(LINES), output_lifetime=timedelta(hours=3))
    run(batch, good=everything())
    file = ended(batch).output_file
    assert file is not None
    assert file.expires_at == file.created_at + timedelta(hours=3)


def test_what_did_not_run_in_time_is_told_as_expired(batch: Batch) -> None:
    run(batch, good={1, 2})
    expire(Batch.objects.get(pk=batch.pk), actor=TESTER, now=timezone.now())
    batch = ended(batch)
    assert (batch.status, batch.succeeded, batch.expired) == ("expired", 2, 9)
    assert {line["error"]["code"] for line in error_lines(batch)} == {"batch_expired"}
    assert_files_are_the_input(batch)


def test_a_deadline_that_passes_when_all_has_settled_is_no_expiry(batch: Batch) -> None:
    run(batch, good=everything())
    expire(Batch.objects.get(pk=batch.pk), actor=TESTER, now=timezone.now())
    assert ended(batch).status == "completed"


def test_a_batch_that_was_cancelled_before_its_validation_has_nothing(project: Project) -> None:
    batch = submitted(project, request_lines(3))
    cancel(batch, actor=TESTER, now=timezone.now())
    batch = ended(batch)
    assert (batch.status, batch.total, batch.output_file, batch.error_file) == ("cancelled", 0, None, None)


def test_a_batch_that_still_runs_is_left_alone(batch: Batch) -> None:
    run(batch, good={1})
    before = Batch.objects.filter(pk=batch.pk).values().get()
    finalize(batch.pk, now=timezone.now())
    assert Batch.objects.filter(pk=batch.pk).values().get() == before


def test_what_is_in_flight_is_waited_for_but_not_for_ever(batch: Batch, settings: Settings) -> None:
    settings.LEASE_SECONDS = 1000
    claim(executor=uuid.uuid4(), appetite=Appetite(1), now=timezone.now())
    cancel(Batch.objects.get(pk=batch.pk), actor=TESTER, now=timezone.now())
    assert ended(batch).status == "cancelling"
    finalize(batch.pk, now=timezone.now() + timedelta(seconds=settings.CANCEL_GRACE_SECONDS + 1))
    batch.refresh_from_db()
    assert (batch.status, batch.cancelled) == ("cancelled", LINES)


def test_what_comes_too_late_changes_nothing(batch: Batch, settings: Settings) -> None:
    [lease, *_] = claim(executor=uuid.uuid4(), appetite=Appetite(1), now=timezone.now())
    cancel(Batch.objects.get(pk=batch.pk), actor=TESTER, now=timezone.now())
    finalize(batch.pk, now=timezone.now() + timedelta(seconds=settings.CANCEL_GRACE_SECONDS + 1))
    row = Settled(lease.piece.pk, batch.pk, 1, 1, 1, 5, Success(200, b"{}"))
    receipt = settle(Report({batch.pk: batch}, {lease.piece.pk: lease.epoch}, [row]), now=timezone.now())
    assert (receipt.lost, receipt.dropped) == (frozenset({lease.piece.pk}), 1)
    assert not BatchResult.objects.filter(batch=batch).exists()
    assert statuses(batch)["row-1"] == "cancelled"


def test_a_second_finalizer_does_nothing_while_the_first_is_at_it(batch: Batch) -> None:
    run(batch, good=everything())
    now = timezone.now()
    Batch.objects.filter(pk=batch.pk).update(lease_expires_at=now + timedelta(seconds=5))
    finalize(batch.pk, now=now)
    batch.refresh_from_db()
    assert (batch.status, batch.output_file) == ("finalizing", None)


def test_a_batch_that_is_over_is_not_ended_again(batch: Batch) -> None:
    run(batch, good=everything())
    before = ended(batch).version
    assert ended(batch).version == before
    assert File.objects.filter(purpose="batch_output").count() == 1


class Failing(FileSystemStorage):
    """A file storage that takes so many files and then is full."""

    left = 0

    def _save(self, name: str, content: object) -> str:
        if not Failing.left:
            raise OSError("the disk is full")
        Failing.left -= 1
        return str(super()._save(name, content))  # type: ignore[misc]


@pytest.mark.parametrize("stored", [0, 1])
def test_a_finalizer_that_dies_leaves_nothing_behind_and_is_repeated(
    batch: Batch, settings: Settings, media_root: Path, monkeypatch: pytest.MonkeyPatch, stored: int
) -> None:
    run(batch, good={1, 2, 3}, bad=everything() - {1, 2, 3})
    before = {path for path in media_root.rglob("*") if path.is_file()}
    monkeypatch.setattr(Failing, "left", stored)
    monkeypatch.setattr(File._meta.get_field("content"), "storage", Failing(location=media_root))
    with pytest.raises(OSError, match="the disk is full"):
        finalize(batch.pk, now=timezone.now())
    assert {path for path in media_root.rglob("*") if path.is_file()} == before
    assert not File.objects.filter(purpose="batch_output").exists()
    monkeypatch.setattr(Failing, "left", 9)
    finalize(batch.pk, now=timezone.now() + AGAIN_AFTER)
    batch = ended(batch)
    assert batch.status == "completed"
    assert File.objects.filter(purpose="batch_output").count() == 2
    assert_files_are_the_input(batch)


def test_a_finalizer_that_lost_its_lease_leaves_nothing_behind(
    batch: Batch, media_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(batch, good={1, 2, 3}, bad=everything() - {1, 2, 3})
    before = {path for path in media_root.rglob("*") if path.is_file()}

    class Slow(FileSystemStorage):
        """So slow that somebody else takes the batch over meanwhile."""

        def _save(self, name: str, content: object) -> str:
            Batch.objects.filter(pk=batch.pk).update(lease_epoch=99)
            return str(super()._save(name, content))  # type: ignore[misc]

    monkeypatch.setattr(File._meta.get_field("content"), "storage", Slow(location=media_root))
    finalize(batch.pk, now=timezone.now())
    batch.refresh_from_db()
    assert (batch.status, batch.lease_epoch) == ("finalizing", 99)
    assert {path for path in media_root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("missing", ["object", "result", "reason"])
def test_a_missing_row_is_noticed_and_the_batch_does_not_end(batch: Batch, missing: str) -> None:
    run(batch, good=everything() - {4}, bad={4})
    if missing == "object":
        BatchObject.objects.filter(batch=batch, line=5).delete()
    else:
        BatchResult.objects.filter(batch=batch, line=5 if missing == "result" else 4).delete()
    with pytest.raises(Inconsistent):
        finalize(batch.pk, now=timezone.now())
    batch.refresh_from_db()
    assert (batch.status, batch.output_file) == (BatchStatus.FINALIZING, None)
