"""The admin's cast: one row of everything, and people who look at it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from batches.models import (
    AccountToken,
    ApiKey,
    Attempt,
    AuditEntry,
    Batch,
    BatchErrorGroup,
    BatchMinute,
    BulkAct,
    BulkItem,
    BulkOperation,
    ClaimedFlags,
    EmergencyStop,
    Erasure,
    ErrorGroup,
    ErrorGroupHour,
    IdempotencyRecord,
    Leftover,
    LegalHold,
    Membership,
    MetricTotal,
    ProcessReport,
    Project,
    ProviderGrant,
    ProviderHealth,
    ProviderJob,
    ProviderJobIncident,
    RetentionPolicy,
    Role,
    SavedView,
    Upload,
    UploadPart,
    Worker,
)
from batches.services.core.audit import record_act
from providers.models import Provider, ProviderModel
from tests.cast import TESTER
from tests.console.conftest import MakeBatch, SignIn, console, count_queries, make_batch, member
from tests.notices import make_notice, make_subscription
from tests.webhooks import make_delivery, make_endpoint

__all__ = ["MakeBatch", "SignIn", "console", "count_queries", "make_batch", "member"]


class Furnish:
    """Makes a row of every model besides those that a batch brings along."""

    def __init__(self, project: Project, provider: Provider, make_batch: MakeBatch) -> None:
        self.project, self.provider, self.make_batch = project, provider, make_batch
        self.number = 0

    def __call__(self) -> Batch:
        """One more row of everything."""
        self.number += 1
        number, project, provider, now = self.number, self.project, self.provider, timezone.now()
        batch = self.make_batch(succeeded=1, failed=1)
        person = User.objects.create_user(f"person-{number}", password="a-secret-of-theirs")
        Membership.objects.create(user=person, project=project, role=Role.VIEWER)
        key, _ = ApiKey.issue(project=project, name=f"key-{number}")
        AccountToken.issue(project=project, provider=provider)
        EmergencyStop.objects.create(
            what="intake", project=project, reason="r", began_at=now, began_by="user x", ended_at=now, ended_by="user x"
        )
        IdempotencyRecord.objects.create(api_key=key, path="/v1/batches", digest="d", batch=batch, created_at=now)
        Attempt.objects.create(
            batch=batch, line=1, round=1, number=1, kind="timeout", answered=False, latency_ms=1, retry_at=now, created_at=now
        )
        BatchMinute.objects.create(batch=batch, minute=now)
        group = ErrorGroup.objects.create(
            project=project,
            fingerprint=f"v1:{number}",
            source="provider",
            code="server_error",
            message="The upstream failed.",
            sample="The upstream failed.",
            first_seen=now,
        )
        BatchErrorGroup.objects.create(batch=batch, group=group, count=1, first_seen=now, last_seen=now)
        ErrorGroupHour.objects.create(group=group, hour=now, count=1)
        job = ProviderJob.objects.create(
            batch=batch,
            provider=provider,
            family="openai",
            window="24h",
            marker=f"by{number}",
            first_line=1,
            last_line=2,
            former_base_url="https://a-secret-of-theirs.example",
            former_credential=b"gAAAA-a-secret-of-theirs",
            created_at=now,
            updated_at=now,
        )
        ProviderJobIncident.objects.create(job=job, code="gone", note="It is gone.", opened_at=now, updated_at=now)
        operation = BulkOperation.objects.create(
            owner=person, actor="user x", source="console", act=BulkAct.CANCEL, reason="r", created_before=now, created_at=now
        )
        BulkItem.objects.create(operation=operation, batch=batch)
        make_delivery(make_endpoint(project, secret_hint="shh!"), batch=batch, answer="a-secret-of-theirs")
        make_notice(make_subscription(person, url=f"https://chat.example/a-secret-of-theirs/{number}"), batch=batch)
        SavedView.objects.create(owner=person, name=f"view {number}", slug=f"view-{number}")
        upload = Upload.objects.create(
            project=project,
            filename="a",
            purpose="batch",
            bytes=1,
            mime_type="text/plain",
            created_at=now,
            expires_at=now + timedelta(hours=1),
        )
        UploadPart.objects.create(upload=upload, bytes=1, content="x", created_at=now)
        ClaimedFlags.objects.create(user=person, is_staff=True)
        Worker.objects.create(role="control", name="host", started_at=now, seen_at=now)
        ProcessReport.objects.create(process=f"p-{number}", name="host", role="control", seen_at=now)
        MetricTotal.objects.create(name="batchyard_http_requests_total", labels=f'["{number}"]', total=1.0)
        other = Provider(name=f"up-{number}", adapter="openai", base_url="https://host/v1", options={})
        other.set_credential("sk-never-shown")
        other.save()
        ProviderModel.objects.create(provider=other, name="m")
        ProviderGrant.objects.create(project=project, provider=other)
        ProviderHealth.objects.create(provider=other, concurrency=1, updated_at=now)
        RetentionPolicy.objects.get_or_create(project=project, kind="bodies", defaults={"days": 9, "set_by": "x", "set_at": now})
        LegalHold.objects.create(project=project, batch=batch, reason="r", placed_by="user x", placed_at=now)
        Leftover.objects.create(batch_id=uuid4(), project=project, part="results", created_at=now)
        Erasure.objects.create(project=project, kind="custom_id", salt="s", digest="d", reason="r", asked_by="x", asked_at=now)
        record_act("revoke_key", actor=TESTER, now=now, target=key, project=project)
        assert AuditEntry.objects.exists()
        return batch


@pytest.fixture
def furnish(project: Project, simulator: Provider, make_batch: MakeBatch) -> Furnish:
    return Furnish(project, simulator, make_batch)


@pytest.fixture
def staff(member: SignIn) -> Client:
    """Somebody of the support desk: an operator of `project` who may enter the admin."""
    return member(Role.OPERATOR, is_staff=True)


def page_of(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def name(model: object) -> str:
    return model._meta.model_name if isinstance(model, type) and issubclass(model, Model) else str(model)  # type: ignore[return-value]
