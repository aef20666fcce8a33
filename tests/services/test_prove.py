"""Every disagreement is found, and mended where that is safe; a healthy portal has none."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import (
    Batch,
    BatchError,
    BatchErrorGroup,
    BatchObject,
    BatchResult,
    Event,
    File,
    Project,
    Slice,
)
from batches.services.cancel import cancel
from batches.services.prove import CHECKS, disagreements, mend, prove
from batches.states import BatchStatus
from providers.models import Provider
from tests.cast import (
    TESTER,
    assert_counts_are_true,
    ended,
    error_lines,
    output_lines,
    request_line,
    run_executor,
    started,
    submitted,
)

LONG_AGO = timedelta(hours=1)
MESSAGES = [{"role": "user", "content": "How many?"}]
FAILS: dict[str, Any] = {"simulate": {"status": 400, "code": "content_filter", "message": "Refused."}}


@dataclass(frozen=True)
class Cast:
    """Batches with five objects in three slices: of each that ran, two objects failed."""

    done: Batch
    running: Batch  # every object has settled, and nobody noticed
    fresh: Batch  # nothing has settled
    stopped: Batch  # cancelled, and over


@pytest.fixture
def cast(project: Project, simulator: Provider, settings: Settings, transactional_db: None) -> Cast:
    settings.SLICE_LINES = 2
    content = b"".join(
        request_line(f"row-{number}", messages=MESSAGES, **(FAILS if number in (2, 3) else {})) for number in range(1, 6)
    )
    done, running = started(project, content), started(project, content)
    run_executor()
    fresh, stopped = started(project, content), started(project, content)
    cancel(stopped, actor=TESTER, now=timezone.now())
    return Cast(ended(done), reread(running), fresh, ended(stopped))


def reread(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def found() -> dict[str, list[Batch | None]]:
    """What disagrees: the batches by the name of the check."""
    names: dict[str, list[Batch | None]] = {}
    for disagreement in disagreements(Batch.objects.all(), now=timezone.now()):
        names.setdefault(disagreement.check.name, []).append(disagreement.batch)
    return names


def repaired() -> list[str]:
    """Mend everything; the reasons of what could not be."""
    return [mended.reason for mended in mend(Batch.objects.all(), actor=TESTER, now=timezone.now()) if not mended.done]


def test_a_healthy_portal_agrees_with_itself(cast: Cast, project: Project) -> None:
    refused = started(project, b'{"custom_id": \n')
    waiting = submitted(project, request_line("a"))
    assert [batch.status for batch in (cast.done, cast.stopped, refused, waiting)] == [
        "completed",
        "cancelled",
        "failed",
        "validating",
    ]
    assert found() == {}
    assert repaired() == []
    assert not Event.objects.filter(act="repaired").exists()


def lose_a_count(cast: Cast) -> Batch:
    Slice.objects.filter(batch=cast.running, first_line=1).update(succeeded=2, failed=0)
    return cast.running


def lose_tokens(cast: Cast) -> Batch:
    Slice.objects.filter(batch=cast.running, first_line=1).update(input_tokens=1)
    return cast.running


def freeze_wrongly(cast: Cast) -> Batch:
    Batch.objects.filter(pk=cast.done.pk).update(succeeded=4, failed=1)
    return cast.done


def freeze_wrong_tokens(cast: Cast) -> Batch:
    Batch.objects.filter(pk=cast.done.pk).update(output_tokens=7)
    return cast.done


def lose_results(cast: Cast) -> Batch:
    BatchResult.objects.filter(batch=cast.running, line__in=[1, 2]).delete()
    return cast.running


def forget_to_settle(cast: Cast) -> Batch:
    objects = BatchObject.objects.filter(batch=cast.running, line=4)
    objects.update(status="pending", settled_at=None)
    Slice.objects.filter(batch=cast.running, first_line=3).update(pending=1, succeeded=0)
    return cast.running


def settle_otherwise(cast: Cast) -> Batch:
    BatchObject.objects.filter(batch=cast.running, line=2).update(status="succeeded")
    Slice.objects.filter(batch=cast.running, first_line=1).update(succeeded=2, failed=0)
    return cast.running


def leave_pending(cast: Cast) -> Batch:
    BatchObject.objects.filter(batch=cast.stopped, line=5).update(status="pending", settled_at=None)
    return cast.stopped


def miscount_errors(cast: Cast) -> Batch:
    BatchErrorGroup.objects.filter(batch=cast.done).update(count=9)
    return cast.done


def remove(batch: Batch, column: str) -> Batch:
    file: File = getattr(batch, column)
    file.content.storage.delete(str(file.content.name))
    return batch


def lose_the_output(cast: Cast) -> Batch:
    return remove(cast.done, "output_file")


def lose_the_errors(cast: Cast) -> Batch:
    return remove(cast.stopped, "error_file")


def forget_the_output(cast: Cast) -> Batch:
    Batch.objects.filter(pk=cast.done.pk).update(output_file=None)
    return cast.done


def truncate_the_output(cast: Cast) -> Batch:
    file = cast.done.output_file
    assert file is not None
    with file.content.open("r+b") as content:
        content.truncate(10)
    return cast.done


def misstate_the_size(cast: Cast) -> Batch:
    assert cast.done.output_file is not None
    File.objects.filter(pk=cast.done.output_file.pk).update(bytes=1)
    return cast.done


def lose_a_range(cast: Cast) -> Batch:
    Slice.objects.filter(batch=cast.done, first_line=3).update(output_start=None, error_end=3)
    return cast.done


def stay_validating(cast: Cast) -> Batch:
    batch = submitted(cast.fresh.project, request_line("late"))
    Batch.objects.filter(pk=batch.pk).update(created_at=timezone.now() - LONG_AGO)
    return batch


def stay_validating_overdue(cast: Cast) -> Batch:
    batch = stay_validating(cast)
    Batch.objects.filter(pk=batch.pk).update(expires_at=timezone.now() - LONG_AGO)
    return batch


def stay_cancelling(cast: Cast) -> Batch:
    cancel(cast.fresh, actor=TESTER, now=timezone.now())
    Batch.objects.filter(pk=cast.fresh.pk).update(cancelling_at=timezone.now() - LONG_AGO)
    return cast.fresh


def stay_finalizing(cast: Cast) -> Batch:
    Batch.objects.filter(pk=cast.running.pk).update(status="finalizing", finalizing_at=timezone.now() - LONG_AGO)
    return cast.running


def stamp_twice(cast: Cast) -> Batch:
    Batch.objects.filter(pk=cast.done.pk).update(failed_at=timezone.now())
    return cast.done


def end_at_another_time(cast: Cast) -> Batch:
    Batch.objects.filter(pk=cast.done.pk).update(ended_at=timezone.now())
    return cast.done


def keep_a_lease(cast: Cast) -> Batch:
    Slice.objects.filter(batch=cast.fresh, first_line=1).update(
        lease_owner=uuid.uuid4(), lease_expires_at=timezone.now() - LONG_AGO
    )
    return cast.fresh


def keep_a_batch_lease(cast: Cast) -> Batch:
    Batch.objects.filter(pk=cast.done.pk).update(lease_owner=uuid.uuid4(), lease_expires_at=timezone.now() - LONG_AGO)
    return cast.done


def stay_throttled(cast: Cast) -> Batch:
    Batch.objects.filter(pk=cast.fresh.pk).update(throttled_until=timezone.now() - LONG_AGO, throttled_reason="429")
    return cast.fresh


MENDED: list[tuple[Callable[[Cast], Batch], str]] = [
    (lose_a_count, "slice_counts"),
    (lose_tokens, "slice_counts"),
    (freeze_wrongly, "frozen_counts"),
    (freeze_wrong_tokens, "frozen_counts"),
    (lose_results, "lost_results"),
    (forget_to_settle, "different_results"),
    (settle_otherwise, "different_results"),
    (leave_pending, "pending_after_end"),
    (miscount_errors, "error_groups"),
    (lose_the_output, "missing_files"),
    (lose_the_errors, "missing_files"),
    (forget_the_output, "missing_files"),
    (truncate_the_output, "file_lines"),
    (misstate_the_size, "file_lines"),
    (lose_a_range, "file_ranges"),
    (stay_validating, "stuck"),
    (stay_validating_overdue, "stuck"),
    (stay_cancelling, "stuck"),
    (stay_finalizing, "stuck"),
    (stamp_twice, "stamps"),
    (end_at_another_time, "stamps"),
    (keep_a_lease, "stale_leases"),
    (keep_a_batch_lease, "stale_leases"),
    (stay_throttled, "old_throttling"),
]


@pytest.mark.parametrize(("go_wrong", "check"), MENDED, ids=[go_wrong.__name__ for go_wrong, _ in MENDED])
def test_what_can_be_mended_is_found_and_mended(cast: Cast, go_wrong: Callable[[Cast], Batch], check: str) -> None:
    batch = go_wrong(cast)
    before = found()
    assert check in before
    assert {one.pk for batches in before.values() for one in batches if one} == {batch.pk}
    assert repaired() == []
    assert found() == {}
    batch = reread(batch)
    notes = Event.objects.filter(batch=batch, act="repaired", actor="tester").values_list("note", flat=True)
    assert any(note.startswith(f"{check}: ") for note in notes)
    if batch.status != BatchStatus.VALIDATING and batch.total:
        assert_counts_are_true(batch)


def overlap(cast: Cast) -> Batch:
    Slice.objects.filter(batch=cast.running, first_line=1).update(last_line=3)
    return cast.running


def share_bytes(cast: Cast) -> Batch:
    Slice.objects.filter(batch=cast.running, first_line=3).update(input_start=0)
    return cast.running


def shrink(cast: Cast) -> Batch:
    Slice.objects.filter(batch=cast.running, first_line=3).update(last_line=3)
    return cast.running


def empty_a_range(cast: Cast) -> Batch:
    Slice.objects.filter(batch=cast.running, first_line=5).update(input_end=0)
    return cast.running


def lose_a_slice(cast: Cast) -> Batch:
    Slice.objects.filter(batch=cast.running, first_line=3).delete()
    return cast.running


def lose_an_object(cast: Cast) -> Batch:
    BatchObject.objects.filter(batch=cast.running, line=3).delete()
    return cast.running


def lose_the_input(cast: Cast) -> Batch:
    return remove(cast.fresh, "input_file")


def lose_the_adapter(cast: Cast) -> Batch:
    other = Provider.objects.create(name="old", adapter="telegraph")
    Batch.objects.filter(pk=cast.fresh.pk).update(provider=other)
    return cast.fresh


def lose_output_and_results(cast: Cast) -> Batch:
    BatchResult.objects.filter(batch=cast.done).delete()
    return remove(cast.done, "output_file")


def lose_a_group(cast: Cast) -> Batch:
    BatchErrorGroup.objects.filter(batch=cast.done).delete()
    return cast.done


def differ_after_the_end(cast: Cast) -> Batch:
    BatchResult.objects.filter(batch=cast.done, line=1).update(status="failed")
    return cast.done


BEYOND: list[tuple[Callable[[Cast], Batch], str]] = [
    (overlap, "slice_ranges"),
    (share_bytes, "slice_ranges"),
    (shrink, "slice_ranges"),
    (empty_a_range, "slice_ranges"),
    (lose_a_slice, "unsliced_objects"),
    (lose_an_object, "slice_counts"),
    (lose_the_input, "missing_inputs"),
    (lose_the_adapter, "unknown_adapter"),
    (lose_output_and_results, "missing_files"),
    (lose_a_group, "error_groups"),
    (differ_after_the_end, "different_results"),
]


@pytest.mark.parametrize(("go_wrong", "check"), BEYOND, ids=[go_wrong.__name__ for go_wrong, _ in BEYOND])
def test_what_cannot_be_mended_is_found_and_said(cast: Cast, go_wrong: Callable[[Cast], Batch], check: str) -> None:
    batch = go_wrong(cast)
    assert batch in found()[check]
    reasons = repaired()
    assert reasons
    assert all(reason.endswith((".", ").")) for reason in reasons)
    assert batch in found()[check]


def test_every_check_has_a_test() -> None:
    assert {check.name for check in CHECKS} == {name for _, name in (*MENDED, *BEYOND)}
    assert all(check.sentence.endswith(".") for check in CHECKS)


def test_results_may_be_pruned_once_the_files_hold_them(cast: Cast) -> None:
    BatchResult.objects.filter(batch__in=[cast.done, cast.stopped]).delete()
    assert found() == {}


def test_files_may_be_purged(cast: Cast) -> None:
    remove(cast.done, "output_file")
    assert cast.done.output_file is not None
    File.objects.filter(pk=cast.done.output_file.pk).update(purged_at=timezone.now())
    assert found() == {}


def test_a_file_that_is_written_anew_keeps_its_id_and_says_the_same(cast: Cast) -> None:
    before = output_lines(cast.done), error_lines(cast.done)
    lose_the_output(cast)
    assert repaired() == []
    after = reread(cast.done)
    assert after.output_file_id == cast.done.output_file_id
    assert (output_lines(after), error_lines(after)) == before
    assert after.lease_expires_at is None


def test_an_object_whose_result_is_lost_fails_and_says_so(cast: Cast) -> None:
    lose_results(cast)
    repaired()
    batch = ended(cast.running)
    assert batch.status == "completed"
    lost = {line["custom_id"]: line for line in error_lines(batch)}
    assert lost["row-1"]["error"]["code"] == lost["row-2"]["error"]["code"] == "result_lost"
    assert BatchError.objects.filter(batch=batch, line=1, code="result_lost").count() == 1


def test_the_beat_mends_what_is_safe_and_leaves_the_rest(cast: Cast) -> None:
    lose_a_count(cast)
    freeze_wrongly(cast)
    miscount_errors(cast)
    lose_the_output(cast)
    prove(now=timezone.now())
    assert set(found()) == {"missing_files"}
    assert set(Event.objects.filter(act="repaired").values_list("actor", flat=True)) == {"reconcile"}
