"""submit: accept a batch."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from batches import wake
from batches.actors import Actor
from batches.errors import InvalidRequest
from batches.models import ApiKey, Batch, Dialect, File, IdempotencyRecord, Project, Purpose
from batches.services.extras import NO_EXTRAS, Extras, stored_extras
from batches.services.guard import checked_guards
from batches.services.once import fulfil
from batches.services.quota import require_room
from batches.services.route import route
from batches.services.transition import record
from batches.states import BatchStatus


@transaction.atomic
def submit(
    project: Project,
    *,
    dialect: Dialect,
    endpoint: str,
    input_file: File,
    completion_window: str,
    window: timedelta,
    actor: Actor,
    now: datetime,
    key: ApiKey | None = None,
    metadata: dict[str, str] | None = None,
    output_lifetime: timedelta | None = None,
    provider_name: str | None = None,
    remark: str = "",
    priority: int = 0,
    operation_name: str = "",
    extras: Extras = NO_EXTRAS,
    requests: int = 0,
    objects: int = 0,
    guards: Mapping[str, object] | None = None,
    reservation: IdempotencyRecord | None = None,
) -> Batch:
    """Accept a batch over an uploaded file and ask for its validation, which happens later.

    `completion_window` is the client's word for `window`; `extras` were checked (see `extras`); `requests` says how many
    there are where each was checked already, `objects` where they were only counted; `guards` go by name (see `guard`); a
    `reservation` (see `once`) is fulfilled with the batch. Raises InvalidRequest for a file of another purpose or a guard
    out of bounds, NoProvider when nothing serves the endpoint, QuotaExceeded when the project has too much already, and
    LostRace when the reservation is gone; then nothing is written.
    """
    if input_file.purpose != Purpose.BATCH:
        raise InvalidRequest(f"File {input_file} has purpose {input_file.purpose}; it must be batch.", param="input_file_id")
    provider = route(project, endpoint=endpoint, name=provider_name)
    require_room(project, open_batches=1, pending_objects=requests or objects)
    batch = Batch.objects.create(
        project=project,
        provider=provider,
        dialect=dialect,
        endpoint=endpoint,
        status=BatchStatus.VALIDATING,
        priority=priority,
        input_file=input_file,
        completion_window=completion_window,
        output_lifetime_seconds=int(output_lifetime.total_seconds()) if output_lifetime else None,
        metadata=metadata,
        remark=remark,
        operation_name=operation_name,
        extras=stored_extras(extras),
        total=requests,
        pending=requests,
        created_by=actor.name,
        created_by_key=key,
        created_at=now,
        updated_at=now,
        expires_at=now + window,
        **checked_guards(guards or {}),
    )
    fulfil(reservation, batch)
    record(batch, origin=None, actor=actor, now=now)
    wake.validate(batch.id)
    return batch
