"""S1: what an upstream says to one project's calls is nobody else's to read, on whatever route or page.

An upstream quotes a canary in each of its error texts, as real ones quote prompts. One project's calls meet with them until
its providers are in every kind of trouble. Then every address of the portal is walked as another project's people and keys.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import pytest
import redis
from django.conf import settings as portal_settings
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.engine.limits import keeping
from batches.models import ApiKey, Batch, BatchErrorGroup, Membership, Project, ProviderHealth, Role, Worker
from batches.rules import identifiers
from batches.services.insight.waiting import waiting
from providers.models import Provider
from tests.answers import Answer, Request, refuse
from tests.cast import request_line, request_lines, started
from tests.engine.executors import executors
from tests.security.routes import Address, addresses
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

CANARY = "canary-7f3a"
TROUBLE = {
    "faults": refuse(500, message=f"Could not complete: {CANARY}", code=CANARY),
    "turned-away": refuse(429, message=f"Slow down with {CANARY}", code=CANARY, retry_after=30),
    "long-wait": refuse(429, message=f"Come back tomorrow with {CANARY}", retry_after=86_400),
    "empty-account": refuse(402, message=f"No credit for {CANARY}"),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """By provider: the batch of the project that met with the trouble there, and one of another project."""

    ours: Mapping[str, Batch]
    theirs: Mapping[str, Batch]


def answered(request: Request) -> Answer:
    """Each provider has a path of its own at the upstream."""
    return TROUBLE[request.path.split("/")[1]]


@pytest.fixture
def scene(project: Project, other_project: Project, upstream: Upstream, settings: Settings) -> Scene:
    """Providers in all kinds of trouble, and batches of two projects that wait there."""
    settings.MAX_ATTEMPTS, settings.BACKOFF_BASE_SECONDS, settings.EXECUTOR_IDLE_SECONDS = 1000, 0.01, 0.5
    keeping.limits.cache_clear()
    upstream.behave(answered)
    for name in TROUBLE:
        Provider.objects.create(name=name, adapter="openai", base_url=f"{upstream.origin}/{name}/v1")
    theirs = {name: started(other_project, request_lines(2), provider_name=name) for name in TROUBLE}
    Batch.objects.update(paused_at=timezone.now())
    lines = b"".join(request_line(f"{CANARY}-{number}", model=f"{CANARY}-model") for number in range(40))
    ours = {name: started(project, lines, provider_name=name) for name in TROUBLE}
    with executors(1):
        until(lambda: all(_is_noted(batch) for batch in ours.values()))
        Batch.objects.update(paused_at=timezone.now())  # so that the executor ends
    Batch.objects.update(paused_at=None)
    return Scene(ours, theirs)


def _is_noted(batch: Batch) -> bool:
    """Whether everybody may see that something is the matter."""
    rows = ProviderHealth.objects.filter(provider=batch.provider_id)
    in_trouble = rows.exclude(breaker="closed").exists() or rows.exclude(hold_kind="").exists()
    return in_trouble or Batch.objects.filter(pk=batch.pk).exclude(throttled_reason="").exists()


class Visitor:
    """Somebody of a project: a person, or a program with a key."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.client, self.headers = Client(), headers

    def get(self, path: str) -> str:
        answer = self.client.get(path, headers=self.headers)
        assert answer.status_code != 500, path
        content = answer.getvalue() if answer.streaming else answer.content
        return content.decode(errors="replace") + repr(dict(answer.items()))


def visitors(project: Project) -> Iterator[Visitor]:
    plain = ApiKey.issue(project=project, name="walker")[1]
    yield Visitor({"Authorization": f"Bearer {plain}", "X-Account-Token": "faults"})
    yield Visitor({"x-api-key": plain, "anthropic-version": "2023-06-01"})
    person = User.objects.create_user("walker", password="walker")
    Membership.objects.create(user=person, project=project, role=Role.ADMIN)
    visitor = Visitor({})
    visitor.client.force_login(person)
    yield visitor


def named(batch: Batch, *, provider: str, fingerprint: str) -> dict[str, str]:
    """A value for whatever an address may name. A new name needs one here."""
    assert batch.input_file is not None
    return {
        "batch_id": identifiers.render("batch_", batch.pk),
        "file_id": identifiers.render("file-", batch.input_file.pk),
        "upload_id": identifiers.render("upload_", uuid.UUID(int=1)),
        "line": "1",
        "which": "input",
        "name": provider,
        "model": "m",
        "slug": "none",
        "project": "none",
        **dict.fromkeys(
            (
                "operation_id",
                "key_id",
                "stop_id",
                "job_id",
                "endpoint_id",
                "delivery_id",
                "hold_id",
                "erasure_id",
                "subscription_id",
            ),
            str(uuid.UUID(int=1)),
        ),
        "code": "failed",
        "provider_id": "nobody",
        "fingerprint": fingerprint,
        **dict.fromkeys(("id", "object_id", "content_type_id"), str(batch.pk)),
        "app_label": "batches",
        "url": "anything",
    }


def walked(address: Address, values: Mapping[str, str]) -> str:
    try:
        return address.of(values)
    except KeyError as missing:
        pytest.fail(f"{address.path} names {missing}, for which this test has no value yet: see `named`")


def paths(scene: Scene) -> list[str]:
    """Every address, about the other project's batches and one of ours."""
    group = BatchErrorGroup.objects.select_related("group").first()
    fingerprint = group.group.fingerprint if group else "v1:" + "0" * 32
    batches = [*scene.theirs.items(), *list(scene.ours.items())[:1]]
    about = [named(batch, provider=name, fingerprint=fingerprint) for name, batch in batches]
    return list(dict.fromkeys(walked(address, values) for address in addresses() for values in about))


def test_what_an_upstream_says_to_one_project_no_other_can_read(scene: Scene, project: Project, other_project: Project) -> None:
    walk = paths(scene)
    assert len(walk) > 1000, "the walk knows the portal's addresses"
    for visitor in visitors(other_project):
        for path in walk:
            assert CANARY not in visitor.get(path), path
    for batch in scene.theirs.values():
        found = waiting(batch, now=timezone.now())
        assert CANARY not in msgspec.json.encode(found, enc_hook=str).decode()
    (_, key) = ApiKey.issue(project=project, name="owner")
    owner = Visitor({"Authorization": f"Bearer {key}"})
    told = [owner.get(f"/api/v1/batches/{batch}/objects/1") for batch in scene.ours.values()]
    assert all(CANARY in text for text in told), "there is something to be found"


def test_what_is_kept_for_all_projects_quotes_no_call(scene: Scene) -> None:
    for row in (*ProviderHealth.objects.all(), *Worker.objects.all()):
        assert CANARY not in _told(row)
    for batch in scene.ours.values():
        assert CANARY not in Batch.objects.get(pk=batch.pk).throttled_reason
        assert CANARY.encode() not in _kept(batch.provider)
    assert {row.provider.name for row in ProviderHealth.objects.exclude(hold_kind="")} >= {"long-wait", "empty-account"}


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
