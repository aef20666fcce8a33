"""heartbeat: say that a worker is alive."""

import os
import socket
import uuid
from datetime import datetime, timedelta

from batches.models import Worker

FORGOTTEN_AFTER = timedelta(hours=1)


def process_name() -> str:
    """Host and process id, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


def heartbeat(worker_id: uuid.UUID, *, role: Worker.Role, now: datetime, in_flight: int = 0) -> None:
    """Note that this worker was alive just now."""
    seen = Worker.objects.filter(pk=worker_id).update(seen_at=now, in_flight=in_flight)
    if not seen:
        Worker.objects.create(pk=worker_id, role=role, name=process_name(), started_at=now, seen_at=now, in_flight=in_flight)


def leave(worker_id: uuid.UUID) -> None:
    """This worker has ended, and well."""
    Worker.objects.filter(pk=worker_id).delete()


def forget_killed() -> None:
    """Remove executors of this host whose process has gone without a word. Those of other hosts grow old."""
    here = Worker.objects.executors().filter(name__startswith=f"{socket.gethostname()}:")
    gone = [pk for pk, name in here.values_list("pk", "name") if not _runs(int(name.rpartition(":")[2]))]
    Worker.objects.filter(pk__in=gone).delete()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def forget_dead(*, now: datetime) -> None:
    """Remove workers that have not been seen for long."""
    Worker.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
