"""What `scale` asks of a portal: started by it with the portal's settings, it answers names of questions, a line each.

An answer is a line of JSON: the milliseconds that it took, and its queries. Everything happens in one transaction that is
taken back.
"""

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from batches.models import ApiKey, Batch, BatchErrorGroup, BatchObject, BatchResult, Dialect  # noqa: E402
from batches.services.lifecycle.claim import Appetite, claim  # noqa: E402
from batches.services.upkeep.reconcile import reconcile  # noqa: E402

# Pages by what they show. {batch} ended with failures and has its answers in the database, {old} ended long ago, {running}
# runs; {deep} is a batch nine tenths down the list, {group} an error group of {batch}, {at} the console's position of {deep}.
PAGES = {
    "native list: first page": "/api/v1/batches",
    "native list: deep": "/api/v1/batches?cursor={deep}",
    "native list: by status": "/api/v1/batches?status=in_progress",
    "native list: by status, deep": "/api/v1/batches?status=completed&cursor={deep}",
    "native list: by project": "/api/v1/batches?project={project}",
    "native list: by project and status": "/api/v1/batches?project={project}&status=completed",
    "native list: by provider": "/api/v1/batches?provider=provider-1",
    "native list: by dialect": "/api/v1/batches?dialect=merge",
    "native list: by model": "/api/v1/batches?model=model-3",
    "native list: created in 24 h": "/api/v1/batches?created=24h",
    "native list: with errors": "/api/v1/batches?has_errors=yes",
    "native list: by metadata": "/api/v1/batches?metadata.team=team-3",
    "console overview": "/console/overview/",
    "console overview: 24 h": "/console/overview/?span=24h",
    "console providers": "/console/providers/",
    "console provider": "/console/providers/provider-1/",
    "console search: a batch's id": "/console/search/?q={deep}&fragment=1",
    "console search: a rare custom_id": "/console/search/?q={custom_id}&fragment=1",
    "console search: a custom_id of every batch": "/console/search/?q=row-1&fragment=1",
    "console search: a request id": "/console/search/?q={request_id}&fragment=1",
    "console search: no such id": "/console/search/?q=no-such-thing-1&fragment=1",
    "console search: words": "/console/search/?q=shard+failed",
    "console search: a pair": "/console/search/?q=team%3Dteam-3",
    "native search: a request id": "/api/v1/search?q={request_id}",
    "console list: first page": "/console/batches/",
    "console list: deep": "/console/batches/?after={at}",
    "console list: active": "/console/batches/?view=active",
    "console list: needs attention": "/console/batches/?view=attention",
    "console list: by project": "/console/batches/?project={project}",
    "console list: by status": "/console/batches/?status=completed",
    "console batch: ended": "/console/batches/{batch}/",
    "console batch: running": "/console/batches/{running}/",
    "console batch: old": "/console/batches/{old}/",
    "console batch: one group": "/console/batches/{batch}/?error={group}",
    "console batch: history": "/console/batches/{batch}/history/",
    "console batch: faces": "/console/batches/{batch}/faces/",
    "console object": "/console/batches/{batch}/lines/2/",
    "console retry": "/console/batches/{batch}/retry/",
    "console retry: one group": "/console/batches/{batch}/retry/?error={group}",
    "console errors: 24 h": "/console/errors/",
    "console errors: 30 days": "/console/errors/?window=30d",
    "console errors: one group": "/console/errors/{group}/",
    "console bulk: what a cancel would do": "/console/bulk/new/?act=cancel&scope=matching",
    "console bulk: what a retry would do": "/console/bulk/new/?act=retry&scope=matching&query=created%3D24h",
    "console compare: which": "/console/batches/{batch}/compare/",
    "console compare": "/console/batches/{batch}/compare/?with={old}",
    "native batch: status": "/api/v1/batches/{running}",
    "native batch: objects": "/api/v1/batches/{batch}/objects",
    "native batch: results": "/api/v1/batches/{batch}/results",
    "native batch: error groups": "/api/v1/batches/{batch}/error-groups",
    "error groups: 24 h": "/api/v1/error-groups",
    "error groups: one": "/api/v1/error-groups/{group}",
    "error groups: objects of one": "/api/v1/error-groups/{group}/objects",
}
# What a client asks again and again, by its dialect: with a key of the batch's project.
READS = {
    Dialect.OPENAI: "/v1/batches/{batch}",
    Dialect.BIFROST: "/bifrost/v1/batches/{batch}?provider={provider}",
    Dialect.ANTHROPIC: "/v1/messages/batches/{batch}",
    Dialect.NOVITA: "/openai/v1/batches/{batch}",
    Dialect.MERGE: "/api/accounting/v1/invoices/bulk/{batch}",
    Dialect.NATIVE: "/api/v1/batches/{batch}",
}
LISTS = {"openai list": "/v1/batches", "anthropic list": "/v1/messages/batches", "openai files": "/v1/files?limit=20"}


@dataclass(frozen=True, slots=True)
class Place:
    """The batches that the pages are about."""

    batch: Batch
    old: Batch
    running: Batch
    deep: Batch
    group: str
    custom_id: str
    request_id: str

    @property
    def names(self) -> dict[str, str]:
        micros = int(self.deep.created_at.timestamp() * 1_000_000)
        return {
            "batch": str(self.batch),
            "old": str(self.old),
            "running": str(self.running),
            "deep": str(self.deep),
            "at": f"{micros}-{self.deep.pk.hex}",
            "project": self.batch.project.slug,
            "group": self.group,
            "custom_id": self.custom_id,
            "request_id": self.request_id,
        }


def place() -> Place:
    """Batches that are there in a database of any size."""
    newest = Batch.objects.select_related("project", "provider").order_by("-created_at", "-id")
    running = newest[0]
    ended = newest.filter(failed__gt=0, status="completed", dialect="openai")[0]
    first, last = Batch.objects.order_by("created_at")[0].created_at, running.created_at
    deep = newest.filter(created_at__lte=last - (last - first) * 0.9)[0]
    group = BatchErrorGroup.objects.select_related("group").filter(batch=ended)[0].group.fingerprint
    called = BatchResult.objects.filter(batch=ended).values_list("request_id", flat=True)[0]
    named = BatchObject.objects.filter(batch=ended, line=7).values_list("custom_id", flat=True)[0]
    return Place(ended, deep, running, deep, group, named, called)


def questions() -> dict[str, Callable[[], object]]:
    """Everything that is asked, by name."""
    at = place()
    person = User.objects.create_superuser("scale")
    console = _Client()
    console.force_login(person)
    asked: dict[str, Callable[[], object]] = {"claim": lambda: _claimed(timezone.now()), "reconcile": _reconciled}
    for name, path in PAGES.items():
        asked[name] = _get(console, path.format(**at.names))
    for dialect, path in READS.items():
        batch = Batch.objects.select_related("project", "provider").filter(dialect=dialect, ended_at__isnull=False)
        found = batch.order_by("-created_at")[0]
        asked[f"{dialect} retrieve"] = _get(_client(found), path.format(batch=found, provider=found.provider.name))
    for name, path in LISTS.items():
        asked[name] = _get(_client(at.batch), path)
    return asked


class _Client(Client):
    """Asks a host that is served, so that nothing needs Django's test environment, which has every template recorded."""

    def __init__(self, **defaults: Any) -> None:
        super().__init__(SERVER_NAME="localhost", **defaults)


def _client(batch: Batch) -> Client:
    _, key = ApiKey.issue(project=batch.project, name="scale")
    headers = {"Authorization": f"Bearer {key}", "x-api-key": key, "X-Account-Token": batch.provider.name}
    return _Client(headers=headers)


def _get(client: Client, path: str) -> Callable[[], object]:
    def get() -> None:
        answer = client.get(path)
        if answer.status_code != 200:
            raise SystemExit(f"{path} was answered with {answer.status_code}: {answer.content[:1000]!r}")

    return get


def _claimed(now: datetime) -> None:
    with transaction.atomic():
        leases = claim(executor=uuid.uuid4(), appetite=Appetite(otherwise=8), now=now)
        if not leases:
            raise SystemExit("There was nothing to claim.")
        transaction.set_rollback(True)


def _reconciled() -> None:
    with transaction.atomic():
        reconcile(now=timezone.now())
        transaction.set_rollback(True)


def timed(ask: Callable[[], object]) -> dict[str, float]:
    """How long one answer takes, and how many queries."""
    counted = _Count()
    with connection.execute_wrapper(counted):
        started = time.perf_counter()
        ask()
        return {"ms": (time.perf_counter() - started) * 1000, "queries": counted.queries}


class _Count:
    """Counts queries."""

    def __init__(self) -> None:
        self.queries = 0

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        self.queries += 1
        return execute(*args)


def main() -> None:
    with transaction.atomic():
        asked = questions()
        _say(list(asked))
        for line in sys.stdin:
            _say(timed(asked[line.rstrip("\n")]))
        transaction.set_rollback(True)


def _say(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
