"""resend: send one unsuccessful object again with another body, as a child batch."""

from dataclasses import replace
from datetime import datetime

from batches.models import Batch
from batches.rules.actors import Actor
from batches.rules.errors import InvalidRequest
from batches.rules.lines.edits import Edit, edit
from batches.services.intake.input_rules import rules_for
from batches.services.policy.emergency_stop import require_intake
from batches.services.results.results import request_of
from batches.services.retry.child import child_input, submit_child
from batches.services.retry.order import PLAIN, RetryOrder
from batches.services.retry.retry import NotRetryable, Retried, RetryMode
from batches.services.retry.selection import Selection, require_known


class BadEdit(InvalidRequest):
    """The request cannot be sent like this."""

    code = "invalid_edit"


def edited(batch: Batch, line: int, body: str) -> Edit:
    """The request at a line with another body, checked by the rules of the batch's input. Raises Gone."""
    return edit(request_of(batch, line), body, rules=rules_for(batch))


def resend(
    batch: Batch,
    *,
    line: int,
    body: str,
    actor: Actor,
    now: datetime,
    order: RetryOrder = PLAIN,
) -> Retried:
    """Submit the object at a line with another body as a child batch of one object, with the same custom_id.

    The timeline names the members of the body that are different, never their values. Raises NotRetryable while the batch
    has not ended, BadEdit with all problems of the body, and the errors of `retry`.
    """
    require_intake(batch.project, provider=batch.provider if order.provider_name is None else None)
    if not batch.is_terminal:
        raise NotRetryable("A request is edited once its batch has ended; while it runs, it is retried as it is.")
    selection = Selection(lines=frozenset({line}))
    require_known(batch, selection)
    draft = edited(batch, line, body)
    if draft.problems:
        raise BadEdit(" ".join(draft.problems), param="body")
    with child_input(batch, selection=selection, now=now, replaced={line: draft.line}) as requests:
        explained = replace(order, reason=" ".join(filter(None, (f"Edited: {draft.summary}.", order.reason))))
        child = submit_child(batch, requests, order=explained, actor=actor, now=now)
    return Retried(RetryMode.CHILD, child, child.announced, requests.skipped)
