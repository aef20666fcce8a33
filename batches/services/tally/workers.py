"""workers: heartbeats of workers, and the seats of executors. Only an executor with a seat may take up work."""

import os
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from batches.models import Worker
from batches.models.worker import ALIVE_FOR
from batches.services.telemetry.process import place, process_identity, process_name, started

FORGOTTEN_AFTER = timedelta(hours=1)


def heartbeat(worker_id: uuid.UUID, *, role: Worker.Role, now: datetime, in_flight: int = 0, trouble: str = "") -> None:
    """Note that this worker was alive just now."""
    seen = Worker.objects.filter(pk=worker_id).update(seen_at=now, in_flight=in_flight, trouble=trouble[:300])
    if not seen:
        Worker.objects.create(pk=worker_id, role=role, in_flight=in_flight, trouble=trouble[:300], **_about_process(now))


def _about_process(now: datetime) -> dict[str, str | datetime]:
    return {"name": process_name(), "process": process_identity(), "started_at": now, "seen_at": now}


def take_seat(executor_id: uuid.UUID, *, now: datetime) -> bool:
    """Give this executor a seat if one of the EXECUTORS seats is free. Return whether it has one.

    An executor that has a seat keeps it. A seat is free again when its executor has sent no heartbeat for a while. A unique
    key of the database keeps two executors from taking the same seat.
    """
    if Worker.objects.seated().filter(pk=executor_id).exists():
        return True
    Worker.objects.seated().filter(seen_at__lte=now - ALIVE_FOR).delete()
    taken = set(Worker.objects.seated().values_list("seat", flat=True))
    return any(_sit_down(executor_id, seat, now=now) for seat in range(settings.EXECUTORS) if seat not in taken)


def _sit_down(executor_id: uuid.UUID, seat: int, *, now: datetime) -> bool:
    about = {"role": Worker.Role.EXECUTE, "seat": seat, **_about_process(now)}
    try:
        with transaction.atomic():
            Worker.objects.update_or_create(pk=executor_id, defaults=about)
    except IntegrityError:
        return False  # another executor took the seat first
    return True


def leave_seat(executor_id: uuid.UUID) -> None:
    """Free the executor's seat for another one. This executor only lets its requests in flight settle."""
    Worker.objects.filter(pk=executor_id).update(seat=None)


def leave(worker_id: uuid.UUID) -> None:
    """Remove a worker that has ended in order."""
    Worker.objects.filter(pk=worker_id).delete()


def forget_killed() -> None:
    """Remove the executors of this place whose process has died. Executors of other places expire by their age."""
    here = Worker.objects.executors().filter(process__startswith=f"{place()}/")
    gone = [pk for pk, process in here.values_list("pk", "process") if not _runs(process)]
    Worker.objects.filter(pk__in=gone).delete()


def _runs(process: str) -> bool:
    """Whether the process of this place with this identity still runs. If start times are unknown here, the answer is yes."""
    _, pid, began = process.rsplit("/", 2)
    return not started(os.getpid()) or started(int(pid)) == began


def forget_dead(*, now: datetime) -> None:
    """Remove workers that have sent no heartbeat for FORGOTTEN_AFTER."""
    Worker.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
