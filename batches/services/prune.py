"""prune: let go of what is no longer wanted."""

import time
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from batches.models import Batch, File
from batches.services.heartbeat import forget_dead
from batches.services.once import forget_calls
from batches.services.retention import retain
from batches.services.sign_in import forget_attempts
from batches.services.upload import expire_uploads
from batches.states import OPEN

AT_ONCE = 1000
SPOOL_LIFETIME = timedelta(days=1)


def prune(*, now: datetime) -> None:
    """Remove bytes of hidden files that no running batch reads, and whatever else is overdue or left over."""
    expire_uploads(now=now)
    in_use = Batch.objects.filter(status__in=OPEN, input_file__isnull=False).values("input_file")
    for file in File.objects.hidden(now=now).exclude(pk__in=in_use)[:AT_ONCE]:
        file.content.storage.delete(str(file.content.name))
        File.objects.filter(pk=file.pk).update(purged_at=now)
    _remove_old_spool_files()
    forget_dead(now=now)
    forget_calls(now=now)
    forget_attempts(now=now)
    retain(now=now)


def _remove_old_spool_files() -> None:
    """A killed process leaves its temporary files behind."""
    oldest = time.time() - SPOOL_LIFETIME.total_seconds()
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir():
        if path.is_file() and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
