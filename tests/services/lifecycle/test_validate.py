"""Checking an input and laying out what it holds."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchError, BatchObject, File, Project, Slice
from batches.rules.states import BatchStatus
from batches.services.control.cancel import cancel
from batches.services.lifecycle.validate import validate
from batches.services.results.results import slice_lines
from tests.cast import CHAT, TESTER, ended, request_line, request_lines, started, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


def ranges(batch: Batch) -> list[tuple[int, int, int, int, int]]:
    fields = ("first_line", "last_line", "input_start", "input_end", "total")
    return list(Slice.objects.filter(batch=batch).order_by("first_line").values_list(*fields))


def codes(batch: Batch) -> list[tuple[str, int | None]]:
    return [(error.code, error.line) for error in BatchError.objects.filter(batch=batch)]


def assert_nothing_laid_out(batch: Batch) -> None:
    assert not BatchObject.objects.filter(batch=batch).exists()
    assert not Slice.objects.filter(batch=batch).exists()
    assert Batch.objects.get(pk=batch.pk).total == 0


def test_a_good_input_is_laid_out_by_lines_with_exact_ranges(project: Project, settings: Settings) -> None:
    settings.SLICE_LINES = 2
    rows = [request_line(f"row-{n}").strip() for n in range(5)]
    content = b"\xef\xbb\xbf" + rows[0] + b"\r\n\n" + rows[1] + b"\n \n" + b"  " + rows[2] + b"\n" + rows[3] + b"\n" + rows[4]
    batch = started(project, content)
    assert (batch.status, batch.model, batch.counts.total, batch.counts.pending) == ("in_progress", "m", 5, 5)
    found = BatchObject.objects.filter(batch=batch).values_list("line", "custom_id", "status", "round", "attempts")
    assert list(found) == [(line, f"row-{n}", "pending", 1, 0) for n, line in enumerate((1, 3, 5, 6, 7))]
    assert [(first, last, total) for first, last, _, _, total in ranges(batch)] == [(1, 3, 2), (5, 6, 2), (7, 7, 1)]
    pieces = Slice.objects.filter(batch=batch).order_by("first_line")
    assert [slice_lines(batch, piece) for piece in pieces] == [{1: rows[0], 3: rows[1]}, {5: rows[2], 6: rows[3]}, {7: rows[4]}]
    assert (pieces[0].input_start, pieces[2].input_end) == (3, len(content))


def test_long_lines_make_slices_of_fewer_lines(project: Project, settings: Settings) -> None:
    size = len(request_line("a", pad="x" * 100))
    settings.SLICE_BYTES = 2 * size
    lines = [request_line(name, pad="x" * (1000 if name == "d" else 100)) for name in "abcdefg"]
    batch = started(project, b"".join(lines))
    assert [total for *_, total in ranges(batch)] == [2, 1, 1, 2, 1]
    assert all(end - start <= 2 * size for first, _, start, end, _ in ranges(batch) if first != 4)


def test_every_bad_line_is_counted_and_the_first_thousand_are_kept(project: Project) -> None:
    content = request_line("good") + b"not json\n" * 1003 + request_line("also good")
    batch = started(project, content)
    assert (batch.status, batch.error_count) == ("failed", 1003)
    assert codes(batch) == [("invalid_json_line", line) for line in range(2, 1002)]
    error = BatchError.objects.filter(batch=batch)[0]
    assert (error.source, error.round, error.fingerprint[:3]) == ("caller", None, "v1:")
    assert_nothing_laid_out(batch)
    event = batch.events.last()
    assert event is not None
    assert event.note == "The input has 1,003 problems."


def test_a_bad_line_after_many_good_ones_leaves_nothing_laid_out(project: Project, settings: Settings) -> None:
    settings.SLICE_LINES = 1
    batch = started(project, request_lines(60) + b"{}\n" + request_lines(3, prefix="more"))
    assert (batch.status, codes(batch)) == ("failed", [("missing_required_parameter", 61)])
    assert_nothing_laid_out(batch)


@pytest.mark.parametrize(
    ("content", "code"), [(b"\n\n \r\n", "empty_file"), (b"\n", "empty_file"), (b"\xef\xbb\xbf", "empty_file")]
)
def test_a_file_without_lines_is_no_input(project: Project, content: bytes, code: str) -> None:
    batch = started(project, content)
    assert (batch.status, codes(batch)) == ("failed", [(code, None)])


def test_too_many_lines_are_counted_and_refused(project: Project, settings: Settings) -> None:
    settings.MAX_BATCH_LINES = 5
    assert started(project, request_lines(5)).status == "in_progress"
    batch = started(project, request_lines(5) + b"bad, but beyond the limit\n\n" + request_lines(2, prefix="more"))
    assert (batch.status, codes(batch)) == ("failed", [("too_many_tasks", None)])
    assert "8 requests; a batch may have 5" in BatchError.objects.get(batch=batch).message
    assert_nothing_laid_out(batch)


def test_an_input_that_vanished_fails_the_batch(project: Project) -> None:
    batch = submitted(project, request_lines(2))
    assert batch.input_file is not None
    batch.input_file.content.storage.delete(str(batch.input_file.content.name))
    validate(batch.id, now=timezone.now())
    batch.refresh_from_db()
    assert (batch.status, codes(batch)) == ("failed", [("input_not_found", None)])


@pytest.mark.parametrize(
    "word", ["\0", "é\0", "\\", "x" * 5000, "🙂" * 600], ids=["NUL", "NUL after more", "backslash", "long", "wide"]
)
@pytest.mark.parametrize("field", ["custom_id", "method", "url", "model"])
def test_whatever_a_line_says_its_problem_can_be_stored(project: Project, field: str, word: str) -> None:
    fields = {"custom_id": "a", "method": "POST", "url": CHAT, "model": "m", field: word}
    line = '{{"custom_id":{},"method":{},"url":{},"body":{{"model":{}}}}}\n'.format(*map(_quoted, fields.values()))
    batch = started(project, request_line("first") + line.encode())
    assert (batch.status, batch.error_count) in {("failed", 1), ("in_progress", 0)}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace("\0", "\\u0000") + '"'


def test_a_second_validator_does_nothing_while_the_first_is_at_it(project: Project) -> None:
    batch, now = submitted(project, request_lines(2)), timezone.now()
    Batch.objects.filter(pk=batch.pk).update(lease_expires_at=now + timedelta(seconds=5), lease_epoch=3)
    validate(batch.id, now=now)
    batch.refresh_from_db()
    assert (batch.status, batch.lease_epoch) == ("validating", 3)
    assert_nothing_laid_out(batch)


def test_a_batch_whose_validator_was_killed_is_validated_from_scratch(project: Project, settings: Settings) -> None:
    settings.SLICE_LINES = 2
    batch = started(project, request_lines(5))
    BatchObject.objects.filter(batch=batch, line__gt=3).delete()  # as far as it came
    Slice.objects.filter(batch=batch, first_line__gt=3).delete()
    late = timezone.now() - timedelta(seconds=1)
    Batch.objects.filter(pk=batch.pk).update(status="validating", in_progress_at=None, lease_expires_at=late, lease_epoch=7)
    validate(batch.id, now=timezone.now())
    batch.refresh_from_db()
    assert (batch.status, batch.lease_expires_at) == ("in_progress", None)
    assert list(BatchObject.objects.filter(batch=batch).values_list("line", flat=True)) == [1, 2, 3, 4, 5]
    assert [total for *_, total in ranges(batch)] == [2, 2, 1]


@pytest.mark.parametrize("status", sorted(set(BatchStatus) - {BatchStatus.VALIDATING}))
def test_only_what_waits_for_validation_is_validated(project: Project, status: BatchStatus) -> None:
    batch, now = submitted(project, request_lines(1)), timezone.now()
    over = {"ended_at": now} if status in {"completed", "failed", "expired", "cancelled"} else {}
    Batch.objects.filter(pk=batch.pk).update(status=status, **{f"{status}_at": now}, **over)
    validate(batch.id, now=now)
    assert_nothing_laid_out(batch)


def test_a_batch_that_is_cancelled_in_the_middle_of_its_validation_ends_with_nothing(
    project: Project, settings: Settings, media_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SLICE_LINES = 1
    batch = submitted(project, request_lines(50))

    class Interrupting(FileSystemStorage):
        """By the time the input is open, somebody has cancelled the batch."""

        def _open(self, name: str, mode: str = "rb") -> object:
            cancel(Batch.objects.get(pk=batch.pk), actor=TESTER, now=timezone.now())
            return super()._open(name, mode)  # type: ignore[misc]

    monkeypatch.setattr(File._meta.get_field("content"), "storage", Interrupting(location=media_root))
    validate(batch.id, now=timezone.now())
    batch = ended(batch)
    assert (batch.status, batch.output_file, batch.error_file) == ("cancelled", None, None)
    assert_nothing_laid_out(batch)
