"""heartbeat: say that a worker is alive; and which executors may take up work: those that have a seat."""

import os
import socket
import uuid
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction

from batches.models import Worker
from batches.models.worker import ALIVE_FOR

FORGOTTEN_AFTER = timedelta(hours=1)
_PROC = Path("/proc")
_MAX_HOST_CHARS = 64


def process_name() -> str:
    """Host and process id, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


def process_identity() -> str:
    """What no two processes share: containers may have one host name, and process ids begin again.

    It is the place where process ids mean the same, the process id, and when the process started.
    """
    pid = os.getpid()
    return f"{_place()}/{pid}/{_started(pid) or _random(pid)}"


@cache
def _place() -> str:
    """The host, its boot and the namespace of process ids; where these cannot be told, the host."""
    host = socket.gethostname()[:_MAX_HOST_CHARS]
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{host}/{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return host


@cache
def _random(pid: int) -> str:
    """Stands in where no start can be told; a process that is forked makes its own."""
    del pid
    return uuid.uuid4().hex


def _started(pid: int) -> str:
    """When a process of this place started, in ticks since the boot; empty when there is no such process."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def heartbeat(worker_id: uuid.UUID, *, role: Worker.Role, now: datetime, in_flight: int = 0, trouble: str = "") -> None:
    """Note that this worker was alive just now."""
    seen = Worker.objects.filter(pk=worker_id).update(seen_at=now, in_flight=in_flight, trouble=trouble[:300])
    if not seen:
        Worker.objects.create(pk=worker_id, role=role, in_flight=in_flight, trouble=trouble[:300], **_about_process(now))


def _about_process(now: datetime) -> dict[str, str | datetime]:
    return {"name": process_name(), "process": process_identity(), "started_at": now, "seen_at": now}


def take_seat(executor_id: uuid.UUID, *, now: datetime) -> bool:
    """Let this executor take up work, if fewer than EXECUTORS do. The database gives each seat to one of them.

    An executor that has a seat keeps it. A seat whose executor has not been seen for a while is free again.
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
        return False  # somebody else was faster
    return True


def leave_seat(executor_id: uuid.UUID) -> None:
    """Let another executor take up work; this one only brings home what is in flight."""
    Worker.objects.filter(pk=executor_id).update(seat=None)


def leave(worker_id: uuid.UUID) -> None:
    """This worker has ended, and well."""
    Worker.objects.filter(pk=worker_id).delete()


def forget_killed() -> None:
    """Remove the executors of this place whose process has died. Those of other places expire by their age."""
    here = Worker.objects.executors().filter(process__startswith=f"{_place()}/")
    gone = [pk for pk, process in here.values_list("pk", "process") if not _runs(process)]
    Worker.objects.filter(pk__in=gone).delete()


def _runs(process: str) -> bool:
    """Whether a process of this place still runs, by its identity. Where no start can be told, it is believed to."""
    _, pid, started = process.rsplit("/", 2)
    return not _started(os.getpid()) or _started(int(pid)) == started


def forget_dead(*, now: datetime) -> None:
    """Remove workers that have not been seen for long."""
    Worker.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
