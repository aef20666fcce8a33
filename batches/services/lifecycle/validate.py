"""validate: check a batch's input line by line, and let the batch run or fail."""

import logging
import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import Batch, OnInvalid
from batches.rules.actors import ENGINE
from batches.rules.display.counted import counted
from batches.rules.errors import QuotaExceeded
from batches.rules.lines.line_rules import LineChecker, Problem
from batches.rules.states import BatchStatus
from batches.services.core import wake
from batches.services.core.lease import at_work, hold, lease_batch
from batches.services.core.transition import transition
from batches.services.intake.input_lines import InputOutOfReach
from batches.services.intake.input_rules import rules_for
from batches.services.lifecycle.layout import Bad, Findings, clear, input_error, lay_out
from batches.services.policy.execution import CannotDelegate, chosen_at_start
from batches.services.policy.quota import require_room
from batches.services.tally.error_groups import record_errors
from batches.services.telemetry.process import process_name

logger = logging.getLogger(__name__)


def validate(batch_id: uuid.UUID, *, now: datetime) -> None:
    """Check the whole input. With a good input the batch moves to in_progress. With a bad one it fails, all problems counted.

    Invalid lines make an input bad, unless the batch skips invalid lines and there are valid ones. The input is streamed:
    memory holds the custom_ids, never the whole input. The call may be repeated at any time, since a batch that does not wait
    for validation, or is validated elsewhere, is left alone. If this worker cannot reach the input although it may exist,
    validation is put off, and the reason is noted on the batch.
    """
    batch = lease_batch(batch_id, statuses=frozenset({BatchStatus.VALIDATING}), owner=uuid7(), now=now)
    if batch is None:
        return
    try:
        with at_work(batch):  # if the batch is cancelled or expires meanwhile, that act removes the objects
            clear(batch)
            checker, findings = LineChecker(rules_for(batch)), Findings()
            bad = Bad.SKIP if batch.on_invalid == OnInvalid.SKIP else Bad.STOP
            lay_out(batch, checker, findings, bad=bad)
            if not findings.fails(bad):
                _start(batch, findings, model=checker.model)
            if findings.fails(bad):
                _fail(batch, findings)
    except InputOutOfReach as error:
        reason = f"Worker {process_name()} could not read its input: {error}."
        logger.warning("%s is validated later. %s", batch, reason)
        waiting = Batch.objects.filter(pk=batch.pk, status=BatchStatus.VALIDATING, lease_epoch=batch.lease_epoch)
        waiting.update(put_off_reason=reason[:200])


def _start(batch: Batch, findings: Findings, *, model: str) -> None:
    """Let the batch run. A project with too many pending objects is a problem of the input, like any other."""
    skipped = findings.bad_lines
    note = f"{counted(skipped, 'invalid line was', 'invalid lines were')} skipped." if skipped else ""
    about = {"model": model, "error_count": skipped, "put_off_reason": ""}
    if skipped:  # skipped lines were never sent, so guards do not count them as failures
        about |= {"acknowledged_settled": skipped, "acknowledged_failed": skipped}
    try:
        with transaction.atomic():
            hold(batch)
            choice = chosen_at_start(batch, model=model, requests=findings.good_lines)
            about |= {"execution": choice.execution, "execution_reason": choice.reason[:300]}
            if not batch.announced:  # announced objects have counted against the quota since the batch was created
                objects = batch.slices.aggregate(pending=Sum("pending", default=0))["pending"]
                require_room(batch.project, pending_objects=objects)
            transition(batch, BatchStatus.IN_PROGRESS, actor=ENGINE, now=timezone.now(), note=note, **about)
            wake.delegate() if choice.execution.is_handed_over else wake.execute()
    except (QuotaExceeded, CannotDelegate) as error:
        findings.add(Problem(error.code, error.message, ""))


def _fail(batch: Batch, findings: Findings) -> None:
    now = timezone.now()
    with transaction.atomic():
        clear(batch)
        record_errors([input_error(batch, problem, now=now) for problem in findings.problems], {batch.pk: batch})
        count = findings.count
        note = f"The input has {counted(count, 'problem')}."
        transition(batch, BatchStatus.FAILED, actor=ENGINE, now=now, note=note, error_count=count)
