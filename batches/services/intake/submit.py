"""submit: accept a batch."""

from datetime import datetime

from django.db import transaction

from batches.models import ApiKey, Batch, File, IdempotencyRecord, Purpose
from batches.rules.actors import Actor
from batches.rules.errors import InvalidRequest
from batches.rules.lines.default_model import bare_model
from batches.rules.lines.line_rules import MODEL_CHARS
from batches.services.core import wake
from batches.services.core.route import route
from batches.services.core.transition import record
from batches.services.intake.idempotency import complete_reservation
from batches.services.intake.submission import Submission, as_batch
from batches.services.people.authenticate import require_not_revoked
from batches.services.policy.emergency_stop import require_intake
from batches.services.policy.execution import chosen_at_submit
from batches.services.policy.quota import require_room
from batches.services.webhooks.endpoints import callbacks_of
from providers.models import Provider


@transaction.atomic
def submit(
    submission: Submission,
    *,
    input_file: File,
    actor: Actor,
    now: datetime,
    key: ApiKey | None = None,
    reservation: IdempotencyRecord | None = None,
) -> Batch:
    """Accept a batch over an uploaded file, and wake a worker for its validation.

    A `reservation` (see `idempotency`) gets the batch. Raises InvalidRequest for a file of another purpose, an unusable model
    or callback URL, or a guard out of bounds, CannotDelegate for an execution that is not possible, NoProvider when no
    provider serves the endpoint, IntakeStopped, QuotaExceeded, NotAuthenticated when the key was revoked since the call began,
    and LostRace when the reservation is gone. After an error nothing is written.
    """
    if input_file.purpose != Purpose.BATCH:
        raise InvalidRequest(f"File {input_file} has purpose {input_file.purpose}; it must be batch.", param="input_file_id")
    if key is not None:
        require_not_revoked(key)
    project, endpoint = submission.project, submission.endpoint
    provider = route(project, endpoint=endpoint, name=submission.provider_name)
    require_intake(project, provider=provider)
    default_model = usable_model(submission.model, endpoint=endpoint, provider=provider)
    require_room(project, open_batches=1, pending_objects=submission.requests)
    batch = as_batch(submission, provider=provider, default_model=default_model)
    choice = chosen_at_submit(submission.execution, project=project, provider=provider, endpoint=endpoint)
    batch.execution, batch.execution_reason = choice.execution, choice.reason[:300]
    batch.input_file = input_file
    batch.created_by, batch.created_by_key = actor.name, key
    batch.created_at = batch.updated_at = now
    batch.expires_at = now + submission.window
    batch.save(force_insert=True)
    if batch.callback_url:
        callbacks_of(project, actor=actor, now=now)
    complete_reservation(reservation, batch)
    record(batch, origin=None, actor=actor, now=now)
    wake.validate(batch.id)
    return batch


def usable_model(model: str | None, *, endpoint: str, provider: Provider) -> str:
    """The model for lines that name none, without the provider's name; empty if no model is given. Raises InvalidRequest."""
    found = bare_model(model, provider=provider.name)
    if found and not endpoint.startswith("/v1/"):
        raise InvalidRequest(f"A model means nothing at {endpoint}.", param="model")
    if len(found) > MODEL_CHARS or "\0" in found:
        raise InvalidRequest(f"The name of a model may have {MODEL_CHARS} characters, and none that is NUL.", param="model")
    return found
