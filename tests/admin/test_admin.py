"""The admin's pages: every model, what it costs, what it shows to whom, and what it never shows."""

from collections.abc import Callable
from functools import partial

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from batches.models import ApiKey, AuditEntry, Batch, BatchObject, BulkAct, Membership, Project, Role
from providers.models import Provider
from tests.admin.conftest import Furnish, MakeBatch, SignIn, name, page_of
from tests.matrix import every

TABLES = [model for model in admin.site._registry if model._meta.app_label in ("batches", "providers", "auth")]
OURS = [model for label in ("batches", "providers") for model in apps.get_app_config(label).get_models()]
KEPT_BY_HAND = {"project", "membership", "apikey", "accounttoken", "provider", "user", "emergencystop"}
PORTALS_OWN = {"provider", "providermodel", "providerhealth", "user", "savedview", "claimedflags", "worker"}
PORTALS_OWN |= {"processreport", "metrictotal", "subscription", "notice"}
ADMINS = {"apikey", "accounttoken", "membership", "auditentry", "emergencystop"}  # of a project
ADMINS |= {"retentionpolicy", "legalhold", "erasure"}
SECRETS = ("sk-never-shown", "a-secret-of-theirs", "pbkdf2", "md5$", "gAAAA")


def listing(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def test_every_model_is_registered() -> None:
    assert [name(model) for model in OURS if not admin.site.is_registered(model)] == []


@pytest.mark.alike
def test_every_table_is_listed_and_searched_without_growing_queries(
    console: Client, furnish: Furnish, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    def questions() -> dict[str, int]:
        return {name(model): count_queries(partial(console.get, listing(model))) for model in TABLES}

    furnish()
    few = questions()
    for _ in range(3):
        batch = furnish()
    assert {table: number for table, number in questions().items() if number > few[table] + 1} == {}
    for model in TABLES:
        for term in (str(batch), "words", "batch_", "%", "\0"):
            assert console.get(listing(model), {"q": term}).status_code == 200, (model, term)


@every("model", TABLES, ids=name)
def test_every_row_has_a_page_and_no_page_shows_a_secret(console: Client, furnish: Furnish, model: type[Model]) -> None:
    furnish()
    row = model._default_manager.order_by("-pk").first()
    assert row is not None
    for address in (listing(model), page_of(row)):
        answer = console.get(address)
        assert answer.status_code == 200
        page = answer.content.decode()
        assert not [secret for secret in SECRETS if secret in page]
        assert not [key.digest for key in ApiKey.objects.all() if key.digest in page]
        for scripted in ("<style", " style=", "<script>", " onclick=", "javascript:"):
            assert scripted not in page


@pytest.mark.alike
@every("model", [model for model in TABLES if name(model) not in KEPT_BY_HAND], ids=name)
def test_what_the_engine_writes_is_read_only(console: Client, furnish: Furnish, model: type[Model]) -> None:
    furnish()
    row = model._default_manager.first()
    assert row is not None
    assert console.get(f"{listing(model)}add/").status_code == 403
    assert console.post(page_of(row), {}).status_code == 403
    assert console.get(page_of(row).replace("/change/", "/delete/")).status_code == 403


@every("model", TABLES, ids=name)
def test_nobody_sees_rows_of_a_foreign_project(
    member: SignIn, furnish: Furnish, other_project: Project, model: type[Model]
) -> None:
    batch = furnish()
    stranger = member(Role.ADMIN, of=other_project, is_staff=True)
    answer = stranger.get(listing(model), {"q": str(batch)})
    if name(model) in PORTALS_OWN:
        assert answer.status_code == 403
        return
    assert answer.context["cl"].result_count == 0
    row = model._default_manager.first()
    assert row is not None
    assert stranger.get(page_of(row)).status_code == 302
    assert stranger.get(listing(model)).context["cl"].result_count == (1 if name(model) in ("project", "membership") else 0)


@every("model", TABLES, ids=name)
def test_an_operator_of_the_support_desk_sees_their_projects_rows(staff: Client, furnish: Furnish, model: type[Model]) -> None:
    batch = furnish()
    answer = staff.get(listing(model), {"q": str(batch)})
    assert answer.status_code == (403 if name(model) in PORTALS_OWN | ADMINS else 200)
    if model is BatchObject:
        assert answer.context["cl"].result_count == 2


def test_who_is_no_staff_does_not_enter(member: SignIn) -> None:
    assert member(Role.ADMIN).get("/admin/").status_code == 302


def test_staff_without_a_project_see_an_empty_admin(member: SignIn, make_batch: MakeBatch) -> None:
    make_batch()
    nobody = member(None, is_staff=True)
    assert "You don’t have permission to view or edit anything" in nobody.get("/admin/").content.decode()
    assert nobody.get(listing(Batch)).status_code == 403


def test_a_filter_offers_no_foreign_projects(staff: Client, make_batch: MakeBatch, other_project: Project) -> None:
    make_batch()
    make_batch(of=other_project)
    page = staff.get(listing(Batch)).content.decode()
    assert "acme" in page
    assert "globex" not in page


def test_a_batch_is_found_by_its_id(console: Client, make_batch: MakeBatch) -> None:
    batch, other = make_batch(), make_batch()
    page = console.get(listing(Batch), {"q": f"msgbatch_{batch.id.hex}"}).content.decode()
    assert str(batch) in page
    assert str(other) not in page


def test_a_large_table_is_counted_no_further_than_it_has_pages(
    console: Client, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batches.admin.scope.COUNT_CAP", 3)
    make_batch(succeeded=5)
    assert console.get(listing(BatchObject)).context["cl"].result_count == 3


# --- Who keeps what ------------------------------------------------------------------------------------------


def test_a_superuser_makes_a_user_and_gives_them_a_role(console: Client, project: Project) -> None:
    form = {"username": "anna", "usable_password": "true", "password1": "long-enough-1", "password2": "long-enough-1"}
    console.post("/admin/auth/user/add/", form)
    anna = User.objects.get(username="anna")
    form = {
        "username": "anna",
        "is_active": "on",
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
        "memberships-0-project": str(project.pk),
        "memberships-0-role": "operator",
        "memberships-0-user": str(anna.pk),
    }
    assert console.post(page_of(anna), form).status_code == 302
    assert Membership.objects.get().role == Role.OPERATOR
    acts = list(AuditEntry.objects.values_list("act", "target", "actor").order_by("created_at", "id"))
    assert acts[0] == ("add_user", "anna", "user operator")
    assert acts[-1] == ("add_membership", "anna, Operator of acme", "user operator")


def test_a_password_that_is_set_is_on_record_and_nowhere_else(console: Client) -> None:
    anna = User.objects.create_user("anna")
    form = {"password1": "long-enough-1", "password2": "long-enough-1", "usable_password": "true", "set-password": "1"}
    assert console.post(f"/admin/auth/user/{anna.pk}/password/", form).status_code == 302
    entry = AuditEntry.objects.get(act="set_password")
    assert entry.target == "anna"
    assert "long-enough-1" not in str(entry.__dict__)


def test_an_admin_of_a_project_keeps_its_members_and_no_others(member: SignIn, project: Project, other_project: Project) -> None:
    admin_of_acme, anna = member(Role.ADMIN, is_staff=True), User.objects.create_user("anna")
    form = {"user": "anna", "project": str(project.pk), "role": "viewer"}
    assert admin_of_acme.post("/admin/batches/membership/add/", form).status_code == 302
    assert Membership.objects.get(user=anna).role == Role.VIEWER
    assert AuditEntry.objects.get().project == project
    refused = admin_of_acme.post("/admin/batches/membership/add/", form | {"project": str(other_project.pk)})
    assert refused.status_code == 200
    assert "Select a valid choice" in refused.content.decode()
    assert admin_of_acme.get("/admin/auth/user/").status_code == 403


def test_a_member_is_removed_on_record(console: Client, project: Project) -> None:
    membership = Membership.objects.create(user=User.objects.create_user("anna"), project=project, role=Role.ADMIN)
    console.post(page_of(membership).replace("/change/", "/delete/"), {"post": "yes"})
    assert not Membership.objects.exists()
    assert AuditEntry.objects.get().act == "remove_membership"


def test_quotas_are_the_portals_to_set(console: Client, member: SignIn, project: Project) -> None:
    form = {"name": "Acme", "max_open_batches": "7"}
    inlines = {f"{prefix}-{suffix}_FORMS": "0" for prefix in ("memberships", "grants") for suffix in ("TOTAL", "INITIAL")}
    member(Role.ADMIN, is_staff=True).post(page_of(project), form | inlines)
    assert Project.objects.get().max_open_batches is None
    console.post(page_of(project), form | inlines)
    assert Project.objects.get().max_open_batches == 7
    entry = AuditEntry.objects.latest("created_at")
    assert (entry.act, entry.target) == ("change_project", "acme")
    assert (entry.changes or {})["max_open_batches"] == [None, 7]


def test_what_is_refused_in_the_admin_is_on_record(member: SignIn, project: Project) -> None:
    viewer = member(Role.VIEWER, is_staff=True)
    assert viewer.post(page_of(project), {"name": "Mine"}).status_code == 403
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.outcome, entry.source, entry.actor) == (
        "change_project",
        "refused",
        "admin",
        "user viewer of acme",
    )


@pytest.mark.parametrize("query", ["created_at__gte=0001-01-01T00:00:00%2B14:00", "created_at__lt=9999-12-31T23:59:59-14:00"])
def test_a_moment_that_not_every_database_knows_is_refused_or_looked_for(console: Client, furnish: Furnish, query: str) -> None:
    furnish()
    assert console.get(f"{listing(Batch)}?{query}").status_code in {200, 400}


@pytest.mark.parametrize("ticked", ["garbage", "\0", "1", "x" * 10_000])
@pytest.mark.parametrize("action", BulkAct.values)
def test_a_ticked_row_that_there_cannot_be_is_refused(console: Client, furnish: Furnish, action: str, ticked: str) -> None:
    furnish()
    answer = console.post(listing(Batch), {"action": action, "_selected_action": ticked, "index": "0"})
    assert answer.status_code == 400


@pytest.mark.parametrize("value", ["garbage", "\0", "9" * 30, "1,garbage", "-1"])
def test_a_row_that_there_cannot_be_is_none_to_choose(console: Client, simulator: Provider, project: Project, value: str) -> None:
    for model in admin.site._registry:
        asked = {field.name: value for field in model._meta.get_fields() if field.is_relation and not field.auto_created}
        for answer in (console.get(f"{listing(model)}add/", asked), console.post(f"{listing(model)}add/", asked)):
            assert answer.status_code in {200, 403}, (model, asked)
    inline = {"memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "0", "memberships-0-user": value}
    grants = {"grants-TOTAL_FORMS": "1", "grants-INITIAL_FORMS": "0", "grants-0-provider": value}
    assert console.post(page_of(project), inline | grants).status_code == 200
