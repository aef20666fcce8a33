"""What a call may name besides its path: ids of another tenant in the query, in the body and in forms lead nowhere.

Parameters come from the OpenAPI document, from what the views of the dialects say that they read, and from the forms of
the pages. One that the walk does not know fails by name: it belongs into REFERENCES, or into HARMLESS.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from batches.api.calls.webhooks.endpoints import CALLBACKS
from batches.api.openapi.document import document
from batches.http.scopes import row_of
from batches.models import Batch
from tests.dialects.openai.conftest import CHAT
from tests.dialects.routes import ROUTES, Route
from tests.matrix import every
from tests.security.tenancy.conftest import HARMLESS, REFERENCES, REQUESTS, Ask, looking, references, require_same
from tests.security.tenancy.tenants import Pair, Tenant, Visitor
from tests.webhooks import endpoint_of

pytestmark = pytest.mark.once

REASONED = {"reason": "A lawsuit."}
NEED_A_REASON = ("/api/v1/legal_holds", "/api/v1/erasures")


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
    named = {
        "batch_id": own,
        "file_id": own.input_file,
        "endpoint_id": CALLBACKS if name == "project" else endpoint_of(own.project),
    }
    path = path.format(**named, fingerprint="v1:same", name="simulator", line=1)
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
    basis |= {} if creates else whose | REASONED if path in NEED_A_REASON else {}
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
    "webhook_endpoints": [],
    "webhook_endpoints/*": [],
    "webhook_endpoints/*/rotate_secret": [],
    "webhook_endpoints/*/test": [],
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
    named = {"batch_id": own, "file_id": own.input_file, "endpoint_id": endpoint_of(own.project)}
    path = route.path.format(**named, upload_id=f"upload_{own.pk.hex}", model="any")
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
