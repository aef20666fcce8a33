"""What a call may name besides its path: ids of another tenant in the query, in the body and in forms lead nowhere.

Parameters come from the OpenAPI document, from what the views of the dialects say that they read, and from the forms of
the pages. One that the walk does not know fails by name: it belongs into REFERENCES, or into HARMLESS.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http.response import HttpResponseBase

from batches.api.openapi.document import document
from batches.http.scopes import row_of
from batches.models import Batch, Project
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch
from tests.dialects.openai.conftest import CHAT
from tests.dialects.routes import ROUTES, Route
from tests.matrix import every
from tests.security.routes import Address, addresses
from tests.security.tenants import Pair, Tenant, Visitor, people, programs, text_of, visitor_of

pytestmark = pytest.mark.once

# By parameter or field: the things of a tenant that it may name (see `references`).
REFERENCES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("project", "not_project"), ("project", "project_pk")),
    **dict.fromkeys(("provider", "not_provider", "x-model-provider"), ("provider", "provider_pk")),
    **dict.fromkeys(("batch", "batches", "with", "from", "_selected_action"), ("batch", "batch_pk")),
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


# --- The native API, from its document ---------------------------------------------------------------------------------


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def parameters() -> Iterator[tuple[str, str, str, str]]:
    """Each place of the document where something may be named: path, method, `query` or a type of body, and the name."""
    for path, calls in document()["paths"].items():
        for method, call in calls.items():
            for found in call.get("parameters", []):
                if found["in"] == "query":
                    yield path, method.upper(), "query", found["name"]
            for kind, body in call.get("requestBody", {}).get("content", {}).items():
                for name in _resolved(body["schema"]).get("properties", {}):
                    yield path, method.upper(), kind, name


def known(name: str) -> bool:
    assert name in REFERENCES or name in HARMLESS, f"the walk does not know {name!r}: see REFERENCES and HARMLESS"
    return name in REFERENCES


def test_every_parameter_of_the_document_is_known() -> None:
    assert len({name for *_, name in parameters() if known(name)}) > 8


def in_document(fixtures: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    del fixtures
    return [(path, method, place, name) for path, method, place, name in parameters() if name in REFERENCES]


@pytest.mark.parametrize("who", ["program", pytest.param("person", marks=pytest.mark.long)])
@every("path, method, place, name", in_document)
def test_a_parameter_of_the_native_api_leads_to_nobody_elses(
    tenant: Tenant, own: Batch, callers: list[Visitor], who: str, path: str, method: str, place: str, name: str
) -> None:
    path = path.format(batch_id=own, file_id=own.input_file, fingerprint="v1:same", name="simulator", line=1)
    for reference in REFERENCES[name]:
        pair = references(tenant)[reference]
        require_same(tenant, [pair], calling(callers[who == "person"], method, path, place, name, pair, own))


def calling(caller: Visitor, method: str, path: str, place: str, name: str, pair: Pair, own: Batch) -> Ask:
    """A call of the native API with one parameter."""
    return lambda which: _native(caller, method, path, place, name, pair[which], own)


def _native(caller: Visitor, method: str, path: str, place: str, name: str, value: str, own: Batch) -> Any:
    whose = {} if caller.key else {"project": own.project.slug}
    if place == "query":
        return caller.ask(method, f"{path}?{urlencode({name: value})}")
    if place.startswith("multipart"):
        form = whose | {"purpose": "batch", "file": SimpleUploadedFile("a.jsonl", b"{}\n"), name: value}
        return caller.ask(method, path, form=form)
    creates = path == "/api/v1/batches"
    basis = whose | {"endpoint": CHAT} | ({} if name == "input_file_id" else {"requests": REQUESTS}) if creates else {}
    return caller.ask(method, path, document=basis | {name: value})


# --- The dialects -------------------------------------------------------------------------------------------------------

DOCUMENTS: Mapping[str, list[dict[str, Any]]] = {
    "files": [],
    "uploads": [],
    "uploads/*/parts": [],
    "uploads/*/complete": [{"part_ids": ["{batch_pk}"]}],
    "uploads/*/cancel": [],
    "batches": [
        {"input_file_id": "{file}", "endpoint": CHAT, "completion_window": "24h"},
        {"requests": REQUESTS, "endpoint": CHAT, "completion_window": "24h", "provider": "{provider}"},
        {"requests": REQUESTS, "endpoint": CHAT, "completion_window": "24h", "model": "{routed}"},
        {"model": "{routed}", "requests": REQUESTS},
        {"model": "simulator/m", "input_file_id": "{file}"},
    ],
    "batches/*/cancel": [],
    "messages/batches": [
        {
            "requests": [{"custom_id": "a", "params": {"model": "{routed}", "max_tokens": 1, "messages": []}}],
            "provider": "{provider}",
        }
    ],
    "messages/batches/*/cancel": [],
    **{f"{model}/bulk": [] for model in ("invoices", "expenses", "item-fulfillments", "sales-orders")},
}


def calls_of_dialects(fixtures: Mapping[str, Any]) -> list[tuple[Route, str, str, object]]:
    del fixtures
    found: list[tuple[Route, str, str, object]] = []
    for route in ROUTES:
        for method in route.methods:
            names = {*route.view.always_reads, *route.view.reads.get(method, ())}
            found += [(route, method, name, None) for name in sorted(names) if known(name)]
        if "POST" in route.methods:
            found += [(route, "POST", "", body) for body in DOCUMENTS[row_of(route.path)]]
    return found


@every("route, method, name, body", calls_of_dialects)
def test_a_parameter_of_a_dialect_leads_to_nobody_elses(
    tenant: Tenant, own: Batch, callers: list[Visitor], route: Route, method: str, name: str, body: object
) -> None:
    path = route.path.format(batch_id=own, file_id=own.input_file, upload_id=f"upload_{own.pk.hex}", model="any")
    found = references(tenant)
    if body is not None:
        written = json.dumps(body)
        pairs = [pair for reference, pair in found.items() if f"{{{reference}}}" in written]
        require_same(tenant, pairs, lambda which: callers[0].ask(method, path, document=_filled(written, found, which)))
        return
    for reference in REFERENCES[name]:
        pair = found[reference]
        require_same(tenant, [pair], looking(callers[0], method, path, name, pair))


def _filled(written: str, found: Mapping[str, Pair], which: int) -> object:
    for reference, pair in found.items():
        written = written.replace(f"{{{reference}}}", pair[which])
    return json.loads(written)


@pytest.mark.parametrize("reference", ["provider", "provider_pk"])
def test_a_linked_account_of_another_project_is_as_none(tenant: Tenant, callers: list[Visitor], reference: str) -> None:
    pair = references(tenant)[reference]
    path = "/api/accounting/v1/invoices/bulk"
    require_same(tenant, [pair], lambda which: callers[0].ask("POST", path, document={"batch_items": []}, account=pair[which]))


# --- The pages ----------------------------------------------------------------------------------------------------------

_FIELD = re.compile(r"<(?:input|select|textarea|button)\b[^>]*?\bname=\"([^\"]+)\"")
PAGES = [address for address in addresses() if address.face in ("admin", "console") and "logout" not in address.path]


@pytest.fixture
def fields(tenant: Tenant, own: Batch, operator: User) -> dict[str, set[str]]:
    """The fields of every page's forms, as somebody sees them who may do everything."""
    owner = visitor_of(operator, name="operator")
    return {
        address.path: set(_FIELD.findall(text_of(owner.ask("GET", _own_path(address, tenant, own))).text)) for address in PAGES
    }


def _own_path(address: Address, tenant: Tenant, own: Batch) -> str:
    """A page about what is the visitor's own, where it names a batch or its file; else about nothing."""
    values = {name: pair[1] for name, pair in tenant.named(address).items()}
    mine = {"batch_id": str(own), "file_id": str(own.input_file), "fingerprint": "v1:same", "name": "simulator"}
    values |= {name: value for name, value in mine.items() if name in values}
    if address.path.startswith("/admin/batches/batch/") and "object_id" in values:
        values["object_id"] = str(own.pk)
    return address.of(values)


ALWAYS = (
    "project",
    "provider",
    "with",
    "from",
    "after",
    "before",
    "input_file",
    "error",
    "saved",
    "query",
    "batch",
    "key",
    "user",
)


def on_pages(fixtures: Mapping[str, Any]) -> list[tuple[Address, str]]:
    found = fixtures["fields"]
    return [(page, name) for page in PAGES for name in REFERENCES if name in found[page.path]]


@pytest.fixture
def person(own: Batch, other_project: Project) -> Visitor:
    """Somebody who administers their own project, and may enter the admin."""
    return next(person for person in people(other_project) if person.name == "staff")


@every("page, name", on_pages)
def test_a_field_of_a_page_leads_to_nobody_elses(
    tenant: Tenant, own: Batch, person: Visitor, fields: dict[str, set[str]], page: Address, name: str
) -> None:
    path = _own_path(page, tenant, own)
    for reference in REFERENCES[name]:
        pair = references(tenant)[reference]
        require_same(tenant, [pair], looking(person, "GET", path, name, pair))
        require_same(tenant, [pair], sending(person, path, name, pair))


@every("page", [page for page in PAGES if page.face == "console"], ids=lambda page: page.path)
def test_an_address_of_the_console_may_name_everything_at_once(
    tenant: Tenant, own: Batch, person: Visitor, page: Address
) -> None:
    path, found = _own_path(page, tenant, own), references(tenant)
    pairs = {name: found[REFERENCES[name][0]] for name in ALWAYS}
    require_same(
        tenant,
        pairs.values(),
        lambda which: person.ask("GET", f"{path}?{urlencode({name: pair[which] for name, pair in pairs.items()})}"),
    )
