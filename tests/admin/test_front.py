"""The admin's front page, and what its pages say of times and members."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from batches.admin.front import GROUPS
from batches.models import Membership, Project, Role
from batches.services.policy.quota import set_quotas
from tests.admin.conftest import Furnish, SignIn
from tests.cast import TESTER

pytestmark = pytest.mark.django_db

MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (\S+?)<")


def test_every_table_has_its_place_and_a_line_about_it() -> None:
    """O1"""
    placed = [name for group in GROUPS.values() for name in group]
    assert sorted(placed) == sorted(model._meta.object_name or "" for model in admin.site._registry)
    assert all(about for group in GROUPS.values() for about in group.values())


def test_the_front_page_shows_the_latest_acts_to_whom_they_concern(console: Client, member: SignIn, project: Project) -> None:
    set_quotas(project, limits={"open_batches": 7}, actor=TESTER, now=timezone.now())
    for client in (console, member(Role.ADMIN, is_staff=True)):
        page = client.get("/admin/").content.decode()
        assert "<h1>Administration</h1>" in page
        assert "Change quotas" in page
    assert "Latest acts" not in member(Role.OPERATOR, is_staff=True).get("/admin/").content.decode()


@pytest.mark.parametrize(("zone", "shown"), [("", "UTC"), ("Asia/Tokyo", "JST")])
def test_times_have_a_zone(console: Client, furnish: Furnish, zone: str, shown: str) -> None:
    """O27"""
    batch = furnish()
    console.cookies["zone"] = zone
    for path in ("batch/", f"batch/{batch.pk}/change/", "apikey/", "auditentry/", f"project/{batch.project_id}/change/"):
        found = MOMENT.findall(console.get(f"/admin/batches/{path}").content.decode())
        assert found
        assert set(found) == {shown}
    assert f"In {shown}." in console.get("/admin/batches/apikey/add/").content.decode()


def test_an_admin_of_a_project_sees_its_members_and_keeps_them(member: SignIn, project: Project, other_project: Project) -> None:
    """Django asked for the right without naming a project, so that the admin saw an empty list."""
    client = member(Role.ADMIN, is_staff=True)
    anna = Membership.objects.create(user=User.objects.create_user("anna"), project=project, role=Role.VIEWER)
    Membership.objects.create(user=User.objects.create_user("eve"), project=other_project, role=Role.VIEWER)
    path = f"/admin/batches/project/{project.pk}/change/"
    page = client.get(path).content.decode()
    assert 'value="anna"' in page
    assert "eve" not in page
    form = {"name": "Acme", "memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "1", "memberships-0-id": str(anna.pk)}
    form |= {"memberships-0-project": str(project.pk), "memberships-0-user": "anna", "memberships-0-role": "operator"}
    assert client.post(path, form).status_code == 302
    anna.refresh_from_db()
    assert anna.role == Role.OPERATOR
    foreign = client.get(f"/admin/batches/project/{other_project.pk}/change/")
    assert foreign.status_code == 302


def test_an_audit_entry_is_told_in_words_with_old_and_new_values(console: Client, project: Project) -> None:
    """O15"""
    set_quotas(project, limits={"open_batches": 7}, actor=TESTER, now=timezone.now())
    page = console.get("/admin/batches/auditentry/").content.decode()
    assert "Change quotas" in page
    assert "max open batches: none → 7" in page
    assert "set_quotas" not in page


def test_a_list_is_called_as_what_it_lists(console: Client) -> None:
    assert "<h1>API keys</h1>" in console.get("/admin/batches/apikey/").content.decode()
