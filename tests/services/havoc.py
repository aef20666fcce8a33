"""What can go wrong, done by hand: each leaves something in the database or the storage that disagrees with the rest."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from batches.models import Batch, BatchErrorGroup, BatchObject, BatchResult, File, Slice
from batches.services.control.cancel import cancel
from providers.models import Provider
from tests.cast import TESTER, request_line, submitted

LONG_AGO = timedelta(hours=1)


@dataclass(frozen=True)
class Cast:
    """Batches with five objects in three slices: of each that ran, two objects failed."""

    done: Batch
    running: Batch  # every object has settled, and nobody noticed
    fresh: Batch  # nothing has settled
    stopped: Batch  # cancelled, and over


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


def claim_recoveries(cast: Cast) -> Batch:
    Batch.objects.filter(pk=cast.done.pk).update(recovered_failed=1)
    return cast.done


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


Havoc = Callable[[Cast], Batch]
MENDED: list[tuple[Havoc, str]] = [
    (lose_a_count, "slice_counts"),
    (lose_tokens, "slice_counts"),
    (freeze_wrongly, "frozen_counts"),
    (freeze_wrong_tokens, "frozen_counts"),
    (lose_results, "lost_results"),
    (forget_to_settle, "different_results"),
    (settle_otherwise, "different_results"),
    (leave_pending, "pending_after_end"),
    (claim_recoveries, "recoveries"),
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


# --- What nobody can mend from what is left ----------------------------------------------------------------


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


BEYOND: list[tuple[Havoc, str]] = [
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
