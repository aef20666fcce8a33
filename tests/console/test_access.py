"""Who may see and do what in the console: every route of it, against every role."""

import re
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, reverse
from pytest_django import Settings

from batches.console.urls import urlpatterns
from batches.models import (
    AuditEntry,
    Batch,
    ErrorGroup,
    Event,
    Membership,
    Project,
    Role,
)
from batches.rules.states import BatchStatus, Source
from batches.services.core.access import Right, access_of, least_role
from tests.console.conftest import MakeBatch, SignIn
from tests.console.named_rows import ROWS
from tests.matrix import every

# What addresses name, each of `batch`'s project, or open to it: a route with another name needs a value here.
NAMED = {"line": 1, "which": "input", "fingerprint": "v1:same", "name": "simulator", "code": "gone"}
# What is a person's own, whatever their role; tests/console/test_routes.py asks for it.
PERSONAL = {"operation_id", "slug", "subscription_id"}
# What needs a right in the portal as a whole.
PORTALS_OWN = {"check_provider", "resume_provider", "precede_batch"}


@dataclass(frozen=True, slots=True)
class Route:
    """An address of the console, and the right that it needs."""

    name: str
    names: tuple[str, ...]
    right: Right

    def path(self, batch: Batch) -> str:
        values = {"batch_id": batch.id, "file_id": batch.input_file_id, "project": batch.project.slug, **NAMED}
        values |= {name: ROWS[name](batch).pk for name in self.names if name in ROWS}
        return reverse(f"console:{self.name}", kwargs={name: values[name] for name in self.names})

    def target(self, batch: Batch) -> str:
        """What its page is about, as records name it."""
        if "fingerprint" in self.names:
            return str(ErrorGroup.objects.get(project=batch.project))
        if found := [ROWS[name](batch) for name in self.names if name in ROWS]:
            return str(found[0])
        targets = {"batch_id": str(batch), "file_id": str(batch.input_file), "project": batch.project.slug}
        return next((targets[name] for name in self.names if name in targets), "")

    def ask(self, client: Client, batch: Batch) -> HttpResponseBase:
        """Look at it; or post an empty form to what cannot be looked at."""
        answer = client.get(self.path(batch))
        if answer.streaming:
            answer.getvalue()  # to its end, where its file is closed
        return client.post(self.path(batch)) if answer.status_code == 405 else answer


def routes() -> list[Route]:
    """All of them."""
    found = []
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        right = getattr(pattern.callback, "right", None)
        assert isinstance(right, Right), f"{pattern.name} has no @requires"
        assert pattern.name
        found.append(Route(pattern.name, tuple(re.findall(r"<(?:\w+:)?(\w+)>", str(pattern.pattern))), right))
    return found


EVERY = routes()
ROUTES = [route for route in EVERY if not PERSONAL & {*route.names} and route.name not in PORTALS_OWN]
RANKS = list(Role)


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, failed=1, pending=1)


def address(path: str, batch: Batch) -> str:
    return "/console/" + path.format(id=batch)


def label(value: object) -> str:
    return value.name if isinstance(value, Route) else str(value)


def suffices(role: Role, right: Right) -> bool:
    return RANKS.index(role) >= RANKS.index(least_role(right))


@every("route", ROUTES, ids=label)
def test_who_is_not_signed_in_is_asked_to_and_led_back(client: Client, batch: Batch, route: Route) -> None:
    answer = route.ask(client, batch)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/console/login/?next=/console/")


@every("role, route", [(role, route) for role in Role for route in ROUTES], ids=label)
def test_a_role_opens_what_it_suffices_for_and_nothing_else(member: SignIn, batch: Batch, route: Route, role: Role) -> None:
    answer = route.ask(member(role), batch)
    if suffices(role, route.right):
        assert answer.status_code not in (401, 403, 404)
        assert not AuditEntry.objects.filter(outcome="refused").exists()
    else:
        assert answer.status_code == 403
        assert "You may not do this" in answer.content.decode()  # type: ignore[attr-defined]
        refused = AuditEntry.objects.get(outcome="refused")
        assert (refused.act, refused.actor, refused.source) == (route.name, f"user {role} of acme", "console")
        assert refused.target == route.target(batch)


@every("route", [route for route in ROUTES if {*route.names} - {"name"}], ids=label)
def test_what_belongs_to_a_foreign_project_does_not_exist(
    member: SignIn, batch: Batch, other_project: Project, route: Route
) -> None:
    stranger = member(Role.ADMIN, of=other_project)
    assert route.ask(stranger, batch).status_code == 404
    assert stranger.post(route.path(batch)).status_code in (404, 405)
    assert not AuditEntry.objects.exists()


@every("route", ROUTES, ids=label)
def test_who_belongs_to_no_project_is_told_so(member: SignIn, batch: Batch, route: Route) -> None:
    answer = route.ask(member(None), batch)
    assert answer.status_code == 403
    assert "You belong to no project yet" in answer.content.decode()  # type: ignore[attr-defined]


@every("route", ROUTES, ids=label)
def test_a_superuser_needs_no_membership(console: Client, batch: Batch, route: Route) -> None:
    assert route.ask(console, batch).status_code not in (401, 403, 404)


@pytest.mark.parametrize("right", Right, ids=label)
def test_every_right_has_its_least_role(right: Right) -> None:
    assert least_role(right) in Role


def test_a_viewer_cannot_cancel_and_is_not_offered_to(member: SignIn, batch: Batch) -> None:
    viewer = member(Role.VIEWER)
    assert "cancel/" not in viewer.get(address("batches/{id}/", batch)).content.decode()
    assert viewer.post(address("batches/{id}/cancel/", batch)).status_code == 403
    batch.refresh_from_db()
    assert batch.status == BatchStatus.IN_PROGRESS
    assert not Event.objects.filter(to_status=BatchStatus.CANCELLING).exists()
    refused = AuditEntry.objects.get()
    assert (refused.act, refused.outcome, refused.target_id, refused.project) == (
        "cancel_batch",
        "refused",
        str(batch.pk),
        batch.project,
    )


def test_a_list_shows_the_batches_of_ones_own_projects_and_offers_no_others(
    member: SignIn, make_batch: MakeBatch, other_project: Project
) -> None:
    own, foreign = make_batch(remark="ours"), make_batch(remark="theirs", of=other_project)
    page = member(Role.VIEWER).get("/console/batches/").content.decode()
    assert str(own) in page
    assert str(foreign) not in page
    assert "globex" not in page
    assert "There is nothing" not in page


def test_a_filter_for_a_foreign_project_is_not_understood(member: SignIn, make_batch: MakeBatch, other_project: Project) -> None:
    make_batch(remark="theirs", of=other_project)
    page = member(Role.VIEWER).get("/console/batches/?project=globex").content.decode()
    assert "does not take “globex”" in page
    assert "theirs" not in page


def test_an_operator_starts_no_batch_where_they_may_only_look(member: SignIn, project: Project, other_project: Project) -> None:
    operator = member(Role.OPERATOR)
    Membership.objects.create(user=User.objects.get(), project=other_project, role=Role.VIEWER)
    assert operator.get("/console/batches/new/?project=globex").status_code == 403
    assert AuditEntry.objects.get().project == other_project
    assert "globex" not in operator.get("/console/batches/new/").content.decode()


def test_bodies_can_be_kept_from_viewers(member: SignIn, batch: Batch, settings: Settings) -> None:
    settings.BODIES_ROLE = "operator"
    viewer = member(Role.VIEWER)
    assert viewer.get(address("batches/{id}/", batch)).status_code == 200
    for path in ("batches/{id}/lines/1/", "batches/{id}/files/input/"):
        assert viewer.get(address(path, batch)).status_code == 403


def test_who_reads_bodies_is_on_record_where_that_is_wanted(member: SignIn, batch: Batch, settings: Settings) -> None:
    viewer = member(Role.VIEWER)
    viewer.get(address("batches/{id}/lines/1/", batch))
    assert not AuditEntry.objects.exists()
    settings.AUDIT_BODY_VIEWS = True
    viewer.get(address("batches/{id}/lines/1/", batch))
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.outcome, entry.target, entry.actor) == ("object", "done", str(batch), "user viewer of acme")


def test_who_is_deactivated_may_do_nothing_any_more(project: Project) -> None:
    for who in (User.objects.create_superuser("root", is_active=False), User.objects.create_user("left", is_active=False)):
        Membership.objects.create(user=who, project=project, role=Role.ADMIN)
        access = access_of(who, source=Source.CONSOLE)
        assert access.nowhere
        assert not access.may(Right.READ, project)


def test_a_poll_after_signing_out_gets_a_note_and_no_page(client: Client, batch: Batch) -> None:
    answer = client.get("/console/batches/?status=failed", headers={"X-Requested-With": "fragment"})
    assert answer.status_code == 401
    assert "You are signed out" in answer.content.decode()
    assert b"<html" not in answer.content


@pytest.mark.parametrize(
    "path",
    [
        "batches/batch_00000000000000000000000000000000/",
        "batches/nonsense/",
        "batches/{id}/lines/99/",
        "batches/{id}/files/output/",
        "batches/{id}/files/secrets/",
        "nowhere/",
    ],
)
def test_what_does_not_exist_is_a_404_in_the_consoles_look(console: Client, batch: Batch, path: str) -> None:
    answer = console.get(address(path, batch))
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


@pytest.mark.parametrize("form", ["batch_{hex}", "msgbatch_{hex}", "{dashed}"])
def test_a_batch_has_a_page_under_each_form_of_its_id(console: Client, batch: Batch, form: str) -> None:
    identifier = form.format(hex=batch.id.hex, dashed=batch.id)
    assert console.get(f"/console/batches/{identifier}/").status_code == 200


def test_pages_allow_no_script_or_style_but_their_own_files(console: Client, batch: Batch) -> None:
    for path in ["/console/batches/", address("batches/{id}/", batch), "/admin/", "/console/nowhere/"]:
        answer = console.get(path)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        page = answer.content.decode()
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert " onclick=" not in page


def test_signing_in_and_out_works_and_leads_on(client: Client, operator: object) -> None:
    answer = client.post("/console/login/", {"login": "operator", "password": "operator", "next": "/console/?view=active"})
    assert answer.headers["Location"] == "/console/?view=active"
    assert client.get("/console/batches/").status_code == 200
    assert client.post("/console/logout/").headers["Location"] == "/console/login/"
    assert client.get("/console/").status_code == 302


def test_a_wrong_password_is_said(client: Client, operator: object) -> None:
    answer = client.post("/console/login/", {"login": "operator", "password": "wrong"})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
