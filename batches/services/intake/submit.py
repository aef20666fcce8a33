"""submit: accept a batch."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from batches.models import ApiKey, Batch, Dialect, File, IdempotencyRecord, OnInvalid, Project, Purpose
from batches.rules.actors import Actor
from batches.rules.default_model import bare_model
from batches.rules.errors import InvalidRequest
from batches.rules.line_rules import MODEL_CHARS
from batches.rules.states import BatchStatus
from batches.services.core import wake
from batches.services.core.route import route
from batches.services.core.transition import record
from batches.services.intake.extras import NO_EXTRAS, Extras, stored_extras
from batches.services.intake.idempotency import fulfil
from batches.services.people.authenticate import require_not_revoked
from batches.services.policy.emergency_stop import require_intake
from batches.services.policy.guards import checked_guards
from batches.services.policy.quota import require_room
from providers.models import Provider


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
    model: str | None = None,
    on_invalid: OnInvalid = OnInvalid.FAIL,
    guards: Mapping[str, object] | None = None,
    reservation: IdempotencyRecord | None = None,
) -> Batch:
    """Accept a batch over an uploaded file and ask for its validation, which happens later.

    `completion_window` is the client's word for `window`; `extras` were checked (see `extras`); `requests` says how many came
    with the create call; `model` is for lines that name none, as `model` or `provider/model`; `guards` go by name (see
    `guard`); a `reservation` (see `once`) is fulfilled with the batch. Raises InvalidRequest for a file of another purpose, an
    unusable model or a guard out of bounds, NoProvider when nothing serves the endpoint, IntakeStopped, QuotaExceeded when
    the project has too much already, NotAuthenticated when the key was revoked since the call began, and LostRace when the
    reservation is gone; then nothing is written.
    """
    if input_file.purpose != Purpose.BATCH:
        raise InvalidRequest(f"File {input_file} has purpose {input_file.purpose}; it must be batch.", param="input_file_id")
    if key is not None:
        require_not_revoked(key)
    provider = route(project, endpoint=endpoint, name=provider_name)
    require_intake(project, provider=provider)
    default_model = usable_model(model, endpoint=endpoint, provider=provider)
    require_room(project, open_batches=1, pending_objects=requests)
    batch = Batch.objects.create(
        project=project,
        provider=provider,
        dialect=dialect,
        endpoint=endpoint,
        model=default_model,
        default_model=default_model,
        on_invalid=on_invalid,
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


def usable_model(model: str | None, *, endpoint: str, provider: Provider) -> str:
    """The model for lines that name none, without the provider's name; empty when none is given. Raises InvalidRequest."""
    found = bare_model(model, provider=provider.name)
    if found and not endpoint.startswith("/v1/"):
        raise InvalidRequest(f"A model means nothing at {endpoint}.", param="model")
    if len(found) > MODEL_CHARS or "\0" in found:
        raise InvalidRequest(f"The name of a model may have {MODEL_CHARS} characters, and none that is NUL.", param="model")
    return found
