"""A batch that ended with every outcome in it; before and after its result rows were pruned."""

import uuid
from datetime import timedelta

from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Dialect, Project
from batches.services.control.cancel import cancel
from batches.services.intake.submit import submit
from batches.services.lifecycle.claim import Appetite, claim
from batches.services.lifecycle.settle import Report, settle
from batches.services.lifecycle.validate import validate
from batches.services.tally.outcomes import Settled
from batches.services.upkeep.retention import prune_results
from providers.base import Failure, Success
from providers.failures import Kind
from tests.cast import CHAT, TESTER, asked, ended, request_line, stored

ANSWER = b'{"id":"made-%d","n":123456789012345678901234567890,"x":1.10,"text":"\xc3\xa9\\n\\u0000","content":[]}'
LINES = 10


def mixed(
    project: Project, settings: Settings, *, endpoint: str = CHAT, dialect: Dialect = Dialect.OPENAI, prefix: str = "row"
) -> Batch:
    """Line 1 succeeded, 2 was refused with an answer, 3 got none, and so on in turn; the last slices were cancelled."""
    settings.SLICE_LINES, settings.CANCEL_GRACE_SECONDS = 4, 0
    content = b"".join(request_line(f"{prefix}-{line}", endpoint=endpoint) for line in range(1, LINES + 1))
    now = timezone.now()
    submission = asked(project, dialect=dialect, endpoint=endpoint)
    batch = submit(submission, input_file=stored(project, content), actor=TESTER, now=now)
    validate(batch.pk, now=now)
    batch = Batch.objects.select_related("project", "provider").get(pk=batch.pk)
    leases = [lease for lease in claim(executor=uuid.uuid4(), appetite=Appetite(9), now=now) if lease.piece.batch_id == batch.pk]
    for lease in leases[:2]:
        piece = lease.piece
        rows = [
            Settled(piece.pk, batch.pk, line, 1, 1 + line % 2, 7, _outcome(line))
            for line in range(piece.first_line, piece.last_line + 1)
        ]
        report = Report(batches={batch.pk: batch}, epochs={piece.pk: lease.epoch}, settled=rows, done={piece.pk: None})
        settle(report, now=timezone.now())
    batch.refresh_from_db()
    cancel(batch, actor=TESTER, now=timezone.now())
    return ended(batch)


def _outcome(line: int) -> Success | Failure:
    if line % 3 == 1:
        return Success(200, ANSWER % line, f"req_{line}")
    if line % 3 == 2:
        body = b'{"type":"error","error":{"type":"invalid_request_error","message":"No."}}'
        return Failure(Kind.INVALID_REQUEST, f"No {line}.", code="bad", http_status=400, body=body, request_id=f"req_{line}")
    return Failure(Kind.TIMEOUT, f"Too late: {line}.", code="timeout")


def prune_rows(batch: Batch) -> Batch:
    """The batch, after its result rows were pruned."""
    prune_results(now=timezone.now() + timedelta(days=2))
    return Batch.objects.get(pk=batch.pk)
