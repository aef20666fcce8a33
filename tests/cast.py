"""The cast of tests of services and engine: lines, files, batches in each state, and providers at a local upstream."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone

from batches.engine.executor import execute
from batches.models import (
    SUMMED,
    ApiKey,
    Batch,
    BatchError,
    BatchErrorGroup,
    BatchObject,
    Counts,
    Dialect,
    File,
    IdempotencyRecord,
    Project,
    Purpose,
    Slice,
)
from batches.rules.actors import Actor
from batches.rules.states import ObjectStatus, Source
from batches.services.intake.submission import Submission
from batches.services.intake.submit import submit
from batches.services.lifecycle.claim import Lease, Pending
from batches.services.lifecycle.finalize import finalize
from batches.services.lifecycle.validate import validate
from batches.services.storage.store import store
from providers.models import Provider

CHAT = "/v1/chat/completions"
TESTER = Actor("tester", Source.API)


def request_line(custom_id: str, *, endpoint: str = CHAT, model: str = "m", **body: Any) -> bytes:
    """A good line of an input file."""
    line = {"custom_id": custom_id, "method": "POST", "url": endpoint, "body": {"model": model, "n": custom_id} | body}
    return json.dumps(line).encode() + b"\n"


def request_lines(count: int, *, prefix: str = "row") -> bytes:
    """An input file: row-1, row-2, ..."""
    return b"".join(request_line(f"{prefix}-{number}") for number in range(1, count + 1))


def stored(project: Project, content: bytes, *, now: datetime | None = None) -> File:
    """A client's input file."""
    now = now or timezone.now()
    return store(ContentFile(content), project=project, purpose=Purpose.BATCH, filename="jobs.jsonl", now=now)


def asked(project: Project, **more: Any) -> Submission:
    """The usual submission of tests. `more` replaces its properties."""
    usual: dict[str, Any] = {
        "dialect": Dialect.OPENAI,
        "endpoint": CHAT,
        "completion_window": "24h",
        "window": timedelta(hours=24),
    }
    return Submission(project=project, **(usual | more))


def submitted(
    project: Project,
    content: bytes,
    *,
    now: datetime | None = None,
    key: ApiKey | None = None,
    reservation: IdempotencyRecord | None = None,
    **more: Any,
) -> Batch:
    """A batch that waits for its validation."""
    now = now or timezone.now()
    file = stored(project, content, now=now)
    return submit(asked(project, **more), input_file=file, actor=TESTER, now=now, key=key, reservation=reservation)


def started(project: Project, content: bytes, **more: Any) -> Batch:
    """A batch whose input was validated, so that it runs."""
    batch = submitted(project, content, **more)
    validate(batch.id, now=timezone.now())
    batch.refresh_from_db()
    return batch


def run_executor() -> None:
    """Run one executor in this thread until it is idle."""
    execute.run()


def ended(batch: Batch) -> Batch:
    """Finalize a batch, and return it."""
    finalize(batch.id, now=timezone.now())
    batch.refresh_from_db()
    batch._counts = None
    return batch


def provider_at(base_url: str, *, name: str = "local", **more: Any) -> Provider:
    """A provider that is the portal's default."""
    return Provider.objects.create(name=name, adapter="openai", base_url=base_url, is_default=True, **more)


def statuses(batch: Batch) -> dict[str, str]:
    """The status of each object, by custom_id."""
    return dict(BatchObject.objects.filter(batch=batch).order_by("line").values_list("custom_id", "status"))


def counted(batch: Batch) -> Counts:
    """The counts of a batch, computed from the rows of its objects."""
    rows = list(BatchObject.objects.filter(batch=batch))
    return Counts(
        total=len(rows),
        **{status.value: sum(row.status == status for row in rows) for status in ObjectStatus},
        **{name: sum(getattr(row, name) or 0 for row in rows) for name in SUMMED},
        unpriced=sum(row.status == ObjectStatus.SUCCEEDED and row.cost_nanos is None for row in rows),
    )


def assert_counts_are_true(batch: Batch) -> None:
    """Assert that the counts of each slice, and their sum, agree with the rows of the objects."""
    fresh = Batch.objects.get(pk=batch.pk)
    assert fresh.counts == counted(fresh)
    for piece in Slice.objects.filter(batch=batch):
        lines = BatchObject.objects.filter(batch=batch, line__gte=piece.first_line, line__lte=piece.last_line)
        for status in ObjectStatus:
            assert getattr(piece, status.value) == lines.filter(status=status).count()
    _assert_groups_are_true(batch)


def _assert_groups_are_true(batch: Batch) -> None:
    """Assert that the count of each error group is the number of its errors whose object was not sent again."""
    errors = Counter(BatchError.objects.filter(batch=batch, retried_at=None).values_list("fingerprint", flat=True))
    groups = BatchErrorGroup.objects.filter(batch=batch, count__gt=0)
    assert dict(groups.values_list("group__fingerprint", "count")) == errors


def output_lines(batch: Batch) -> list[Any]:
    """The output file's lines, parsed."""
    return _lines(batch.output_file)


def error_lines(batch: Batch) -> list[Any]:
    """The error file's lines, parsed."""
    return _lines(batch.error_file)


def _lines(file: File | None) -> list[Any]:
    if file is None:
        return []
    with file.content.open("rb") as content:
        return [json.loads(line) for line in content]


def pending(lease: Lease) -> Sequence[Pending]:
    """The objects of a lease that are to be sent."""
    return lease.waiting(range(lease.piece.first_line, lease.piece.last_line + 1))
