"""What a parameter or a field may name: things of another tenant, and things that there are none of."""

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.http.response import HttpResponseBase

from batches.models import Batch, Project, RetentionKind
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch
from tests.security.tenancy.tenants import Pair, Tenant, Visitor, people, programs, text_of

# By parameter or field: the things of a tenant that it may name (see `references`).
REFERENCES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("project", "not_project"), ("project", "project_pk")),
    **dict.fromkeys(("provider", "not_provider", "x-model-provider"), ("provider", "provider_pk")),
    **dict.fromkeys(("batch", "batch_id", "batches", "with", "from", "_selected_action"), ("batch", "batch_pk")),
    **dict.fromkeys(("after", "before", "after_id", "before_id", "cursor", "text"), ("batch", "file")),
    **dict.fromkeys(("input_file", "input_file_id", "file_id"), ("file",)),
    **dict.fromkeys(("error", "error_group", "error_groups", "fingerprint"), ("fingerprint",)),
    **dict.fromkeys(("model", "not_model"), ("model", "routed")),
    **dict.fromkeys(("key", "not_key", "created_by_key"), ("key", "key_pk")),
    **dict.fromkeys(("user", "owner"), ("user_pk",)),  # whom one can name one may make a member: test_oracles.py
    **dict.fromkeys(("query", "back"), ("query",)),
    **dict.fromkeys(("view", "saved", "slug"), ("slug",)),
    "place": ("place", "place_pk"),
    "token": ("token",),
    "custom_id": ("text",),
    "q": ("batch", "file", "project", "provider", "fingerprint", "text", "model"),
}

HARMLESS = {
    *(
        "execution",
        "limit",
        "order",
        "purpose",
        "status",
        "not_status",
        "include",
        "code",
        "condition",
        "created",
        "created_from",
        "created_to",
        "outcome",
        "scope",
        "format",
        "compression",
        "worth_retrying",
        "kind",
    ),
    *(
        "dialect",
        "not_dialect",
        "endpoint",
        "not_endpoint",
        "has_errors",
        "line",
        "lines",
        "muted",
        "source",
        "window",
        "dry_run",
    ),
    *("completion_window", "extras", "guards", "metadata", "note", "on_invalid", "priority", "reason", "remark", "requests"),
    *("file", "lifetime_seconds", "created_to", "dry_run"),
    *(kind.value for kind in RetentionKind if kind is not RetentionKind.BATCHES),
    "active",
    *("type", "name", "url", "event_types", "event_type", "enabled", "keep_former", "callback_url"),
}

REQUESTS = [{"custom_id": "a", "body": {"model": "m", "messages": []}}]


def references(tenant: Tenant) -> dict[str, Pair]:
    """What is the tenant's, and what there is none of, in each form that something may be named in."""
    things, nothing = tenant.things, "nothing-of-it"
    unknown = "00000000-0000-0000-0000-000000000000"
    hidden = tenant.provider
    return {
        "project": (tenant.project.slug, nothing),
        "project_pk": (str(tenant.project.pk), unknown),
        "provider": (hidden.name, nothing),
        "provider_pk": (str(hidden.pk), unknown),
        "batch": things["batch_id"],
        "batch_pk": (str(tenant.batch.pk), unknown),
        "file": things["file_id"],
        "fingerprint": things["fingerprint"],
        "model": things["model"],
        "routed": (f"{hidden.name}/m", f"{nothing}/m"),
        "key": (next(row.name for model, row in tenant.rows.items() if model._meta.model_name == "apikey"), nothing),  # type: ignore[attr-defined]
        "key_pk": things["key_id"],
        "user_pk": things["id"],
        "query": (f"project={tenant.project.slug}", f"project={nothing}"),
        "slug": things["slug"],
        "place": (f"project:{tenant.project.slug}", f"project:{nothing}"),
        "place_pk": (f"project:{tenant.project.pk}", f"project:{unknown}"),
        "token": things["operation_id"],
        "text": ("canary-7f3a-1", nothing),
    }


@pytest.fixture
def own(tenant: Tenant, other_project: Project, make_batch: MakeBatch) -> Batch:
    """A batch of the visitor's own, with which calls are made that name what is another's."""
    return make_batch(BatchStatus.COMPLETED, succeeded=1, failed=1, of=other_project)


@pytest.fixture
def callers(own: Batch, other_project: Project) -> list[Visitor]:
    """A program and a person who may do everything in their own project."""
    return [programs(other_project)[0], next(person for person in people(other_project) if person.name == "admin")]


Ask = Callable[[int], HttpResponseBase]


def looking(visitor: Visitor, method: str, path: str, name: str, pair: Pair) -> Ask:
    """A call with one parameter in its query."""
    return lambda which: visitor.ask(method, f"{path}?{urlencode({name: pair[which]})}")


def sending(visitor: Visitor, path: str, name: str, pair: Pair) -> Ask:
    """A form with one field."""
    return lambda which: visitor.ask("POST", path, form={name: pair[which]})


def require_same(tenant: Tenant, pairs: Iterable[Pair], ask: Ask) -> None:
    """Asked about what is the tenant's (0) and what there is none of (1), both answers say the same, and nothing of the tenant.

    A model may be echoed without its provider, so that is left out as well.
    """
    named = [value for pair in (*pairs, references(tenant)["provider"]) for value in pair]
    theirs, nothing = (text_of(undone(ask, which), *named) for which in (0, 1))
    assert theirs.status < 500
    assert theirs.leaks(tenant) == []
    assert theirs.gist == nothing.gist


def undone(ask: Ask, which: int) -> HttpResponseBase:
    """An answer, without what the call changed."""
    call = transaction.atomic()
    call._from_testcase = True  # type: ignore[attr-defined] # as Django marks what only a test began
    with call:
        answer = ask(which)
        transaction.set_rollback(True)
    return answer
