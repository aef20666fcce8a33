"""Submission: the contents of a create call in any dialect. Every caller builds one and hands it to `submit`."""

from dataclasses import dataclass, field
from datetime import timedelta

from batches.models import Batch, Dialect, OnInvalid, Project
from batches.rules.states import BatchStatus
from batches.services.intake.extras import NO_EXTRAS, Extras, kept_extras, stored_extras
from batches.services.policy.guards import OwnGuards, checked_guards, own_guards
from batches.services.webhooks.receivers import require_receiver
from providers.models import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The properties of a batch to be created, apart from its input and its maker.

    `completion_window` is the client's word for `window`. `model` is for lines that name none, as `MODEL` or
    `PROVIDER/MODEL`. `extras` have been checked (see `extras`). `guards` are checked when the batch is made. `requests` is
    the number of requests that came with the create call. `execution` is the batch's own wish, or empty. `callback_url` is told
    of the batch's end; it is checked when the batch is made.
    """

    project: Project
    dialect: Dialect
    endpoint: str
    completion_window: str
    window: timedelta
    provider_name: str | None = None
    model: str | None = None
    on_invalid: OnInvalid = OnInvalid.FAIL
    metadata: dict[str, str] | None = None
    output_lifetime: timedelta | None = None
    remark: str = ""
    priority: int = 0
    operation_name: str = ""
    extras: Extras = NO_EXTRAS
    guards: OwnGuards = field(default_factory=OwnGuards)
    requests: int = 0
    execution: str = ""
    callback_url: str = ""


def as_batch(submission: Submission, *, provider: Provider, default_model: str) -> Batch:
    """The batch of a submission. It is not stored, and has no input, maker and times yet.

    Raises InvalidRequest for a guard out of bounds, and for a callback URL that nothing may be sent to.
    """
    lifetime = submission.output_lifetime
    return Batch(
        project=submission.project,
        provider=provider,
        dialect=submission.dialect,
        endpoint=submission.endpoint,
        model=default_model,
        default_model=default_model,
        on_invalid=submission.on_invalid,
        status=BatchStatus.VALIDATING,
        priority=submission.priority,
        completion_window=submission.completion_window,
        output_lifetime_seconds=int(lifetime.total_seconds()) if lifetime else None,
        metadata=submission.metadata,
        remark=submission.remark,
        operation_name=submission.operation_name,
        extras=stored_extras(submission.extras),
        execution_asked=submission.execution,
        callback_url=require_receiver(submission.callback_url, param="callback_url") if submission.callback_url else "",
        total=submission.requests,
        pending=submission.requests,
        **checked_guards(submission.guards),
    )


def submission_of(batch: Batch) -> Submission:
    """A submission for another batch like this one. It includes the changes that were made to the batch since."""
    return Submission(
        project=batch.project,
        dialect=Dialect(batch.dialect),
        endpoint=batch.endpoint,
        completion_window=batch.completion_window,
        window=batch.expires_at - batch.created_at,
        provider_name=batch.provider.name,
        model=batch.default_model,
        on_invalid=OnInvalid(batch.on_invalid),
        metadata=batch.metadata,
        output_lifetime=timedelta(seconds=batch.output_lifetime_seconds) if batch.output_lifetime_seconds else None,
        remark=batch.remark,
        priority=batch.priority,
        operation_name=batch.operation_name,
        extras=kept_extras(batch),
        guards=own_guards(batch),
        execution=batch.execution_asked,
        callback_url=batch.callback_url,
    )
