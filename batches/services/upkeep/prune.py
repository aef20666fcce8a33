"""prune: remove files and rows that have lived long enough, and count what was left uncounted."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from batches.models import Batch, File, Purpose
from batches.rules.states import OPEN
from batches.services.intake.idempotency import forget_calls
from batches.services.intake.uploads import drop_parts_left_over, expire_uploads
from batches.services.people.sessions import forget_sessions
from batches.services.retention.holds import held
from batches.services.storage.store import remove_bytes
from batches.services.tally.recoveries import count_missed_recoveries
from batches.services.tally.workers import forget_dead
from batches.services.telemetry.hand_in import forget_reports
from batches.services.upkeep.budget import RUN_SECONDS, Budget
from batches.services.upkeep.retention import RETENTION

logger = logging.getLogger(__name__)

AT_ONCE = 1000
SPOOL_LIFETIME = timedelta(days=1)


def prune(*, now: datetime) -> None:
    """Remove the bytes of hidden files that no running batch reads, and everything else that is overdue or left over.

    A step that fails is logged, and does not keep the other steps from running.
    """
    for step in STEPS:
        try:
            step(now=now)
        except Exception:
            logger.exception("%s could not be done", step.__name__)


def _purge(*, now: datetime) -> None:
    """Delete the bytes of hidden files. A batch whose result files are gone is archived from then on."""
    in_use = Batch.objects.filter(status__in=OPEN, input_file__isnull=False).values("input_file")
    budget, all_held = Budget(RUN_SECONDS), held()
    hidden = File.objects.hidden(now=now).exclude(pk__in=in_use)
    hidden = hidden.exclude(project__in=all_held.projects).exclude(pk__in=all_held.files)
    while files := list(hidden.removable(now=now)[:AT_ONCE]):
        for file in files:
            if budget.is_spent:
                return
            if remove_bytes(file, now=now):
                _note_purged(file, now=now)


@transaction.atomic
def _note_purged(file: File, *, now: datetime) -> None:
    File.objects.filter(pk=file.pk).update(purged_at=now, removal_failed_at=None)
    if file.purpose == Purpose.BATCH_OUTPUT:
        Batch.objects.filter(Q(output_file=file) | Q(error_file=file), archived_at=None).update(archived_at=now)


def _remove_old_spool_files(*, now: datetime) -> None:
    """Remove the temporary files that killed processes have left behind."""
    del now  # times of files are by the clock of the machine
    oldest = time.time() - SPOOL_LIFETIME.total_seconds()
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir():
        with suppress(FileNotFoundError):  # the process of the file has just removed it
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()


def _count_missed_recoveries(*, now: datetime) -> None:
    """Count retries that ended under an earlier release, or while their input was checked."""
    del now
    count_missed_recoveries()


STEPS: tuple[Callable[..., object], ...] = (
    expire_uploads,
    drop_parts_left_over,
    _remove_old_spool_files,
    forget_dead,
    forget_reports,
    forget_calls,
    forget_sessions,
    _count_missed_recoveries,
    *RETENTION,
    _purge,  # last, as retention hides files
)
