"""The cross-tenant walk: every route, as everybody who is not of the project that it is asked about.

Routes come from the URL resolver, so that a new one is walked without anybody remembering; one that names something which
the walk has no value for fails by name (see `Tenant.things`). Each is asked about what is the tenant's and about what there
is not: the answers must be the same, and none may have anything of the tenant.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User

from batches.api.openapi.document import document
from batches.models import ApiKey, Project
from tests.matrix import every
from tests.security.routes import Address, addresses
from tests.security.tenancy.tenants import NOBODY, Tenant, Visitor, people, programs, text_of, visitor_of

pytestmark = pytest.mark.once

STRONGEST = ("key", "admin", "staff")
EVERYBODY = "everybody"
WHOM = ["the strongest", pytest.param(EVERYBODY, marks=pytest.mark.long)]
FACES = sorted({address.face for address in addresses()})


@pytest.fixture
def visitors(tenant: Tenant, other_project: Project, face: str, whom: str) -> list[Visitor]:
    """Whoever may call a face: of another project, or of none. Those who may do most there, or everybody."""
    if face == "admin":  # who is not of the staff is led to the sign-in, whatever their role
        found = [person for person in people(other_project) if person.name in ("admin", "staff", "staff of nothing")]
    else:
        found = programs(other_project) if face != "console" else []
        found += people(other_project) if face in ("native", "console") else []
    return [NOBODY, *(visitor for visitor in found if whom == EVERYBODY or visitor.name in STRONGEST)]


def walk(fixtures: Mapping[str, Any]) -> list[tuple[Visitor, str, Address]]:
    """Every call of every visitor to a face."""
    here = [address for address in addresses() if address.face == fixtures["face"]]
    return [(visitor, method, address) for visitor in fixtures["visitors"] for address in here for method in address.methods]


def label(value: object) -> str:
    return value.path if isinstance(value, Address) else str(value)


@pytest.mark.parametrize("whom", WHOM)
@pytest.mark.parametrize("face", FACES)
@every("visitor, method, address", walk, ids=label)
def test_nobody_learns_anything_of_another_tenant(
    tenant: Tenant, visitors: list[Visitor], face: str, whom: str, visitor: Visitor, method: str, address: Address
) -> None:
    named = tenant.named(address)
    asked = [value for pair in named.values() for value in pair]
    theirs, nothing = ({name: pair[which] for name, pair in named.items()} for which in (0, 1))
    said = text_of(visitor.ask(method, address.of(theirs)), *asked)
    assert said.status < 500
    assert said.leaks(tenant) == []
    if named:
        assert said.gist == text_of(visitor.ask(method, address.of(nothing)), *asked).gist


@pytest.mark.parametrize("face", FACES)
def test_the_tenant_itself_finds_what_the_walk_looks_for(tenant: Tenant, operator: User, face: str) -> None:
    owner = Visitor("owner", key=ApiKey.issue(project=tenant.project, name="own")[1])
    owner = visitor_of(operator, name="operator") if face in ("admin", "console") else owner
    here = [
        address for address in addresses() if address.face == face and "GET" in address.methods and "logout" not in address.path
    ]
    paths = [address.of({name: pair[0] for name, pair in tenant.named(address).items()}) for address in here]
    shown_to_owner = {path: text_of(owner.ask("GET", path)) for path in paths}
    assert [path for path, said in shown_to_owner.items() if said.status >= 500] == []
    finds = [path for path, said in shown_to_owner.items() if said.leaks(tenant)]
    assert len(finds) * 2 >= len(paths), "there is something to be found"


def test_the_walk_knows_every_call_of_the_openapi_document() -> None:
    walked = {(address.path, method) for address in addresses() for method in address.methods}
    described = {
        (path, method.upper()) for path, calls in document()["paths"].items() for method in calls if method != "parameters"
    }
    assert len(described) > 30
    assert described <= walked
