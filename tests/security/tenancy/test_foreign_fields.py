"""Fields of pages lead to nothing of another tenant, alone and all at once."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from django.contrib.auth.models import User

from batches.models import Batch, Project
from tests.matrix import every
from tests.security.routes import Address, addresses
from tests.security.tenancy.conftest import REFERENCES, looking, references, require_same, sending
from tests.security.tenancy.tenants import Tenant, Visitor, people, text_of, visitor_of

pytestmark = pytest.mark.once

_FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL)
_ACTION = re.compile(r"\baction=\"([^\"]*)\"")
_FIELD = re.compile(r"<(?:input|select|textarea|button)\b[^>]*?\bname=\"([^\"]+)\"")

PAGES = [address for address in addresses() if address.face in ("admin", "console") and "logout" not in address.path]


@pytest.fixture
def fields(tenant: Tenant, own: Batch, operator: User) -> set[tuple[str, str]]:
    """The fields of every page's forms, as somebody sees them who may do everything: where each is sent, and its name."""
    owner = visitor_of(operator, name="operator")
    found: set[tuple[str, str]] = set()
    for address in PAGES:
        path = _own_path(address, tenant, own)
        text = text_of(owner.ask("GET", path)).text
        for form in _FORM.finditer(text):
            action = _ACTION.search(form[1])
            to = urlsplit(urljoin(path, unescape(action[1]) if action else "")).path
            found |= {(to, name) for name in _FIELD.findall(form[2])}
        found |= {(path, name) for name in _FIELD.findall(_FORM.sub("", text))}  # of a form that names them by its id
    return {(path, name) for path, name in found if "logout" not in path}


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


def referring(fixtures: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted((path, name) for path, name in fixtures["fields"] if name in REFERENCES)


@pytest.fixture
def person(own: Batch, other_project: Project) -> Visitor:
    """Somebody who administers their own project, and may enter the admin."""
    return next(person for person in people(other_project) if person.name == "staff")


@pytest.mark.long
@every("path, name", referring)
def test_a_field_of_a_page_leads_to_nobody_elses(
    tenant: Tenant, own: Batch, person: Visitor, fields: set[tuple[str, str]], path: str, name: str
) -> None:
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
