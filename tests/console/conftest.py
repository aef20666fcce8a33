"""Batches in every state, made as services leave them, and people who look at them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.models import (
    COUNT_FIELDS,
    Batch,
    BatchError,
    BatchObject,
    BatchResult,
    Membership,
    Project,
    Purpose,
    Role,
    Slice,
)
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus, ObjectStatus
from batches.services.core.transition import transition
from batches.services.intake.submit import submit
from batches.services.storage.store import store
from batches.services.tally.error_groups import record_errors
from providers.models import Provider
from tests.cast import asked

LINE = b'{"custom_id": "a-%d", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": [%d]}}\n'
# The way to each status, from validating.
PATHS: dict[BatchStatus, list[BatchStatus]] = {
    BatchStatus.VALIDATING: [],
    BatchStatus.IN_PROGRESS: [BatchStatus.IN_PROGRESS],
    BatchStatus.FINALIZING: [BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING],
    BatchStatus.CANCELLING: [BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING],
    BatchStatus.COMPLETED: [BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.COMPLETED],
    BatchStatus.FAILED: [BatchStatus.FAILED],
    BatchStatus.EXPIRED: [BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.EXPIRED],
    BatchStatus.CANCELLED: [BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING, BatchStatus.CANCELLED],
}


@dataclass(frozen=True)
class MakeBatch:
    """Makes batches of `project` in any status, with as many objects as their counts say, one a line."""

    project: Project
    provider: Provider

    def __call__(
        self,
        status: BatchStatus = BatchStatus.COMPLETED,
        *,
        remark: str = "",
        lines: bytes | None = None,
        succeeded: int = 0,
        failed: int = 0,
        pending: int = 0,
        metadata: dict[str, str] | None = None,
        created_at: datetime | None = None,
        body: str = '{"answer": 42}',
        of: Project | None = None,
    ) -> Batch:
        now = created_at or timezone.now()
        project = of or self.project
        total = succeeded + failed + pending
        content = lines or b"".join(LINE % (number, number) for number in range(1, total + 1)) or b"{}\n"
        file = store(ContentFile(content), project=project, purpose=Purpose.BATCH, filename="requests.jsonl", now=now)
        submission = asked(project, remark=remark, metadata=metadata, provider_name=self.provider.name)
        batch = submit(submission, input_file=file, actor=ENGINE, now=now)
        if status == BatchStatus.FAILED:
            BatchError.objects.create(batch=batch, line=1, code="invalid_json_line", message="Not JSON.", created_at=now)
            return transition(batch, status, actor=ENGINE, now=now, error_count=1)
        piece = Slice(batch=batch, first_line=1, last_line=max(total, 1), input_start=0, input_end=len(content))
        piece.total, piece.succeeded, piece.failed, piece.pending = total, succeeded, failed, pending
        piece.save()
        statuses = [*["succeeded"] * succeeded, *["failed"] * failed, *["pending"] * pending]
        for line, outcome in enumerate(statuses, start=1):
            _add_object(batch, line, ObjectStatus(outcome), now=now, body=body)
        for step in PATHS[status]:
            ended = {name: getattr(piece, name) for name in COUNT_FIELDS} if step == PATHS[status][-1] else {}
            batch = transition(batch, step, actor=ENGINE, now=now, **ended)
        return batch


@pytest.fixture
def make_batch(project: Project, simulator: Provider) -> MakeBatch:
    return MakeBatch(project, simulator)


@pytest.fixture
def running(make_batch: MakeBatch) -> list[Batch]:
    return [make_batch(BatchStatus.IN_PROGRESS, remark=f"Number {number}", pending=1) for number in range(3)]


def _add_object(batch: Batch, line: int, status: ObjectStatus, *, now: datetime, body: str) -> None:
    settled = status != ObjectStatus.PENDING
    outcome: dict[str, Any] = (
        {"http_status": 200 if status == ObjectStatus.SUCCEEDED else 500, "latency_ms": 12} if settled else {}
    )
    BatchObject.objects.create(
        batch=batch,
        line=line,
        custom_id=f"a-{line}",
        status=status,
        settled_at=now if settled else None,
        attempts=int(settled),
        **outcome,
    )
    if not settled:
        return
    failure = {"error_code": "server_error", "error_message": "The upstream failed."} if status == ObjectStatus.FAILED else {}
    BatchResult.objects.create(
        batch=batch, line=line, round=1, status=status, attempts=1, body=body, created_at=now, **outcome, **failure
    )
    if failure:
        error = BatchError(
            batch=batch,
            line=line,
            round=1,
            code="server_error",
            message="The upstream failed.",
            kind="server_error",
            source="provider",
            http_status=500,
            fingerprint="v1:same",
            created_at=now,
        )
        record_errors([error], {batch.pk: batch})


@pytest.fixture
def console(operator: User, client: Client) -> Client:
    """The console, signed in as `operator`, where the beginning of the session was noted."""
    client.force_login(operator)
    client.get("/console/account/inactive/")
    return client


class SignIn(Protocol):
    """Signs somebody in who has a role in `project`, or in another one; with None, who is a member of nothing."""

    def __call__(self, role: Role | None, *, of: Project | None = None, is_staff: bool = False) -> Client: ...


@pytest.fixture
def member(project: Project) -> SignIn:
    """The console, signed in as somebody with just this role."""

    def sign_in(role: Role | None, *, of: Project | None = None, is_staff: bool = False) -> Client:
        person = User.objects.create_user(f"{role or 'nobody'} of {of or project}", is_staff=is_staff)
        if role:
            Membership.objects.create(user=person, project=of or project, role=role)
        client = Client()
        client.force_login(person)
        return client

    return sign_in


@pytest.fixture
def count_queries() -> Callable[[Callable[[], object]], int]:
    """How many queries something makes, after the first time: with the first request of a session it is written down."""

    def count(act: Callable[[], object]) -> int:
        act()
        with CaptureQueriesContext(connection) as captured:
            act()
        return len(captured)

    return count
