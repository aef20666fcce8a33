"""S1: what an upstream says to one project's calls is nobody else's to read, on whatever route or page.

The upstream quotes a canary in each of its error texts, as real ones quote prompts. One project's calls meet with them until
its provider is in every kind of trouble. Then every address of the portal is walked as the other project's people and keys.
"""

import uuid
from collections.abc import Iterator

import msgspec
import pytest
import redis
from django.conf import settings as portal_settings
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches import identifiers
from batches.engine.limits import keeping
from batches.models import ApiKey, Batch, BatchErrorGroup, Membership, Project, ProviderHealth, Role, Worker
from batches.queries.waiting import waiting
from providers.models import Provider
from tests.cast import request_line, request_lines, started
from tests.engine.test_execute import executors, wait_until
from tests.security.routes import Address, addresses
from tests.upstream import Answer, Upstream, refuse

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "canary-7f3a"
TROUBLE = {
    "faults": refuse(500, message=f"Could not complete: {CANARY}", code=CANARY),
    "turned away": refuse(429, message=f"Slow down with {CANARY}", code=CANARY, retry_after=30),
    "long wait": refuse(429, message=f"Come back tomorrow with {CANARY}", retry_after=86_400),
    "empty account": refuse(402, message=f"No credit for {CANARY}"),
}


@pytest.fixture(autouse=True)
def fresh_limits(settings: Settings) -> None:
    settings.MAX_ATTEMPTS, settings.BACKOFF_BASE_SECONDS, settings.EXECUTOR_IDLE_SECONDS = 1000, 0.01, 0.5
    keeping.limits.cache_clear()


def troubled(project: Project, upstream: Upstream, answer: Answer) -> Batch:
    """A batch of the project that has met with this answer, over and over, and waits."""
    upstream.behave(lambda _: answer)
    lines = (request_line(f"{CANARY}-{number}", model=f"{CANARY}-model") for number in range(60))
    batch = started(project, b"".join(lines))
    with executors(1):
        upstream.wait_until(lambda u: len(u.requests) >= 20)
        wait_until(lambda: Batch.objects.filter(pk=batch.pk).exclude(throttled_reason="").exists() or _is_noted())
        Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now())  # so that the executor ends
    Batch.objects.filter(pk=batch.pk).update(paused_at=None)
    return batch


def _is_noted() -> bool:
    rows = ProviderHealth.objects.all()
    return rows.exclude(breaker="closed").exists() or rows.exclude(hold_kind="").exists()


class Visitor:
    """Somebody of a project: a person, or a program with a key."""

    def __init__(self, client: Client, headers: dict[str, str]) -> None:
        self.client, self.headers = client, headers

    def get(self, path: str) -> bytes:
        answer = self.client.get(path, headers=self.headers)
        assert answer.status_code < 500, f"{path} is answered with {answer.status_code}"
        content = answer.getvalue() if answer.streaming else answer.content
        told = "".join(f"{name}: {value}\n" for name, value in answer.items())
        return bytes(content) + told.encode()


def visitors(project: Project) -> Iterator[Visitor]:
    plain = ApiKey.issue(project=project, name="walker")[1]
    for headers in (
        {"Authorization": f"Bearer {plain}"},
        {"x-api-key": plain, "anthropic-version": "2023-06-01"},
        {"Authorization": f"Bearer {plain}", "X-Account-Token": "local"},
    ):
        yield Visitor(Client(), headers)
    person = User.objects.create_user("walker", password="walker")
    Membership.objects.create(user=person, project=project, role=Role.ADMIN)
    client = Client()
    client.force_login(person)
    yield Visitor(client, {})


def named(batch: Batch, *, fingerprint: str) -> dict[str, str]:
    """A value for whatever an address may name. A new name needs one here."""
    assert batch.input_file is not None
    file = identifiers.render("file-", batch.input_file.pk)
    batch_id = identifiers.render("batch_", batch.pk)
    return {
        **dict.fromkeys(("batch_id", "bulk_id", "message_batch_id", "id"), batch_id),
        "file_id": file,
        "upload_id": identifiers.render("upload_", uuid.UUID(int=1)),
        "line": "1",
        "which": "input",
        "name": "local",
        "model": "invoices",
        "slug": "none",
        "operation_id": str(uuid.UUID(int=1)),
        "fingerprint": fingerprint,
        **dict.fromkeys(("object_id", "content_type_id", "pk"), str(batch.pk)),
        "app_label": "batches",
        "url": "anything",
        "uidb64": "x",
        "token": "x",
    }


def walked(address: Address, values: dict[str, str]) -> str:
    try:
        return address.of(values)
    except KeyError as missing:
        pytest.fail(f"{address.path} names {missing}, for which this test has no value yet: see `named`")


@pytest.mark.both
@pytest.mark.parametrize("answer", TROUBLE.values(), ids=TROUBLE)
def test_what_an_upstream_says_to_one_project_no_other_can_read(
    project: Project, other_project: Project, provider: Provider, upstream: Upstream, answer: Answer
) -> None:
    theirs = started(other_project, request_lines(2))
    Batch.objects.filter(pk=theirs.pk).update(paused_at=timezone.now())
    ours = troubled(project, upstream, answer)
    Batch.objects.filter(pk=theirs.pk).update(paused_at=None)
    fingerprint = _fingerprint_of(ours)
    seen = []
    for visitor in visitors(other_project):
        for values in (named(theirs, fingerprint=fingerprint), named(ours, fingerprint=fingerprint)):
            for address in addresses():
                path = walked(address, values)
                seen.append(path)
                assert CANARY.encode() not in visitor.get(path), path
    assert len(set(seen)) > 150, "the walk knows the portal's addresses"
    found = waiting(theirs, now=timezone.now())
    assert CANARY not in msgspec.json.encode(found, enc_hook=str).decode()


@pytest.mark.both
@pytest.mark.parametrize("answer", TROUBLE.values(), ids=TROUBLE)
def test_what_is_kept_for_all_projects_quotes_no_call(
    project: Project, provider: Provider, upstream: Upstream, answer: Answer
) -> None:
    batch = troubled(project, upstream, answer)
    for row in (*ProviderHealth.objects.all(), *Worker.objects.all()):
        assert CANARY not in _told(row)
    assert CANARY not in Batch.objects.get(pk=batch.pk).throttled_reason
    assert CANARY.encode() not in _kept(provider)


def _told(row: Model) -> str:
    return repr({field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields})


def _kept(provider: Provider) -> bytes:
    """The state of the provider's limits."""
    limits = keeping.limits()
    if isinstance(limits, keeping.LocalLimits):
        return msgspec.msgpack.encode(limits._states[provider.pk])
    kept = redis.Redis.from_url(portal_settings.REDIS_URL).get(f"batchyard:limits:{provider.pk.hex}")
    assert isinstance(kept, bytes)
    return kept


def _fingerprint_of(batch: Batch) -> str:
    """Of an error group of the batch, or one that there is not."""
    group = BatchErrorGroup.objects.filter(batch=batch).select_related("group").first()
    return group.group.fingerprint if group else "v1:" + "0" * 32
