"""quota: bounds on a project's open batches, pending objects and stored bytes. A lock keeps two calls from using one room."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from batches.models import Batch, File, Project, Slice, Upload, UploadStatus
from batches.rules.actors import Actor
from batches.rules.errors import QuotaExceeded
from batches.rules.states import BatchStatus
from batches.services.core.audit import changed, record_act, stored
from batches.services.core.model_validation import model_validation

# The quotas by name, with their words on pages.
QUOTAS = {"open_batches": "open batches", "pending_objects": "pending objects", "stored_bytes": "stored bytes"}


@dataclass(frozen=True, slots=True)
class Quota:
    """One quota of a project: its use, and its limit. A `limit` of None is no limit."""

    name: str
    limit: int | None
    used: int


def limit_of(project: Project, name: str) -> int | None:
    """The project's own limit, or else the portal's; None if neither is set."""
    own: int | None = getattr(project, f"max_{name}")
    default: int | None = getattr(settings, f"PROJECT_MAX_{name.upper()}")
    return default if own is None else own


def quotas(project: Project) -> list[Quota]:
    """All quotas of a project with their present use."""
    return [Quota(name, limit_of(project, name), _used(project, name)) for name in QUOTAS]


def require_room(project: Project, *, open_batches: int = 0, pending_objects: int = 0, stored_bytes: int = 0) -> None:
    """Raise QuotaExceeded, naming quota, limit and use, unless there is room for so many more.

    A project without quotas costs no query. Must be called in the transaction that uses the room: other calls for the same
    project wait until it ends, so that no room is used twice.
    """
    wanted = {"open_batches": open_batches, "pending_objects": pending_objects, "stored_bytes": stored_bytes}
    asked = [name for name, more in wanted.items() if more and limit_of(project, name) is not None]
    if not asked:
        return
    # The lock is not FOR UPDATE: every insert of a row with a foreign key to the project would wait for that.
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    for name in asked:
        limit = limit_of(project, name)
        if limit is not None and (used := _used(project, name)) + wanted[name] > limit:
            raise QuotaExceeded(
                f"Project {project} may have {limit} {QUOTAS[name]}; it has {used}, and this would add {wanted[name]}."
            )


@transaction.atomic
def require_room_now(project: Project, *, open_batches: int = 0, pending_objects: int = 0, stored_bytes: int = 0) -> None:
    """Call `require_room` in a transaction of its own, before work begins. The work must call it again for the room it uses."""
    require_room(project, open_batches=open_batches, pending_objects=pending_objects, stored_bytes=stored_bytes)


def _used(project: Project, name: str) -> int:
    match name:
        case "open_batches":
            return Batch.objects.filter(project=project, ended_at=None).count()
        case "pending_objects":
            return _pending_objects(project)
        case _:
            return _stored_bytes(project)


def _pending_objects(project: Project) -> int:
    """The pending objects of running batches, and the announced objects of batches that wait for validation.

    Objects that validation lays out count once their batch runs. The quota is asked at that moment, too.
    """
    running = Slice.objects.filter(batch__project=project, batch__ended_at=None, pending__gt=0)
    pending = running.exclude(batch__status=BatchStatus.VALIDATING).aggregate(pending=Sum("pending", default=0))["pending"]
    announced = Batch.objects.filter(project=project, ended_at=None, status=BatchStatus.VALIDATING)
    return int(pending) + int(announced.aggregate(pending=Sum("pending", default=0))["pending"])


def _stored_bytes(project: Project) -> int:
    """The bytes of all kept files, inputs and results, and the bytes that unfinished uploads promise."""
    kept = File.objects.filter(project=project, purged_at=None).aggregate(bytes=Sum("bytes", default=0))["bytes"]
    promised = Upload.objects.filter(project=project, status=UploadStatus.PENDING).aggregate(bytes=Sum("bytes", default=0))
    return int(kept) + int(promised["bytes"])


@transaction.atomic
def set_quotas(project: Project, *, limits: Mapping[str, int | None], actor: Actor, now: datetime) -> Project:
    """Give a project limits of its own, by name (see QUOTAS). None sets the portal's default again. Other limits stay.

    A project over its new limit keeps everything that it has, and gets no more. Raises InvalidRequest.
    """
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    before = stored(project)
    for name, limit in limits.items():
        setattr(project, f"max_{name}", limit)
    with model_validation():
        project.clean_fields()
    project.save(update_fields=[f"max_{name}" for name in limits])
    changes = changed(before, project)
    record_act("set_quotas", actor=actor, now=now, target=project, project=project, changes=changes)
    return project
