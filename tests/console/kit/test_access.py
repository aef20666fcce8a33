"""A refusal names the act, the role that it needs, the person's own role, and whom to ask."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from batches.models import Batch, Membership, Project, Role
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch, SignIn

pytestmark = pytest.mark.once


def refused(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 403
    return answer.content.decode()


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, failed=1, pending=1)


def admin_of(project: Project, name: str) -> User:
    person = User.objects.create_user(name)
    Membership.objects.create(user=person, project=project, role=Role.ADMIN)
    return person


def test_it_names_the_admins_of_the_project_and_of_no_other(
    member: SignIn, batch: Batch, project: Project, other_project: Project
) -> None:
    """A refusal said only that the account lacks the permission."""
    admin_of(project, "ada")
    admin_of(project, "bob")
    admin_of(other_project, "mallory")
    page = refused(member(Role.VIEWER), f"/console/batches/{batch}/retry/")
    assert "Retrying needs the operator role in acme; you are a viewer. Ask an admin of acme: ada, bob." in page
    assert "mallory" not in page


def test_it_names_a_few_of_many_and_nobody_who_has_left(member: SignIn, batch: Batch, project: Project) -> None:
    people = [admin_of(project, f"admin-{number}") for number in range(9)]
    User.objects.filter(pk=people[0].pk).update(is_active=False)
    page = refused(member(Role.VIEWER), f"/console/batches/{batch}/cancel/")
    assert "Ask an admin of acme: admin-1, admin-2, admin-3, admin-4, admin-5." in page


def test_a_project_without_admins_leads_to_the_portals(member: SignIn, batch: Batch) -> None:
    page = refused(member(Role.OPERATOR), f"/console/batches/{batch}/precede/")
    assert "Changing the precedence needs an administrator of the portal." in page
    page = refused(member(Role.VIEWER), f"/console/batches/{batch}/pause/")
    assert "Pausing needs the operator role in acme; you are a viewer. Ask an administrator of the portal." in page


def test_a_page_of_no_project_asks_for_a_role_in_any(member: SignIn, batch: Batch) -> None:
    page = refused(member(Role.VIEWER), "/console/batches/new/")
    assert "Starting a batch needs the operator role in a project; you have it in none." in page
