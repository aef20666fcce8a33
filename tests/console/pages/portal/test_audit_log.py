"""The audit log in the console: for admins of projects, with filters, links and exports."""

import csv
import io
import json

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from batches.models import ApiKey, Batch, Membership, Project, Role
from batches.rules.actors import Actor
from batches.rules.states import BatchStatus, Source
from batches.services.control.cancel import cancel
from batches.services.core.audit import record_act
from batches.services.people.keys import change_key, issue_key
from tests.cast import TESTER
from tests.console.conftest import MakeBatch, SignIn

pytestmark = pytest.mark.django_db

LOG = "/console/audit/"
ANNA = Actor("user anna", Source.CONSOLE)


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    found = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    cancel(found, actor=ANNA, now=timezone.now(), note="A wrong <b>prompt")
    return found


def page(client: Client, query: str = "") -> str:
    answer = client.get(f"{LOG}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_admin_sees_the_acts_of_their_projects_and_no_others(
    member: SignIn, batch: Batch, make_batch: MakeBatch, other_project: Project
) -> None:
    foreign = make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project)
    cancel(foreign, actor=TESTER, now=timezone.now(), note="Theirs")
    record_act("enable_provider", actor=TESTER, now=timezone.now(), target=batch.provider)
    admin = member(Role.ADMIN)
    shown = page(admin)
    assert "A wrong &lt;b&gt;prompt" in shown
    assert "Cancel batch" in shown
    for hidden in ("Theirs", str(foreign), "globex", "Enable provider"):
        assert hidden not in shown.replace('value="enable_provider">Enable provider', "")
    assert "does not take “globex”" in page(admin, "?project=globex")
    assert "Theirs" not in page(admin, f"?target={foreign}")


def test_a_superuser_sees_the_whole_portal(console: Client, batch: Batch) -> None:
    record_act("enable_provider", actor=TESTER, now=timezone.now(), target=batch.provider)
    shown = page(console)
    assert f'/console/batches/{batch}/">{batch}' in shown
    assert f'/console/providers/{batch.provider}/">{batch.provider}' in shown


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_operator_gets_neither_the_log_nor_its_export(member: SignIn, batch: Batch, form: str) -> None:
    operator = member(Role.OPERATOR)
    assert operator.get(LOG).status_code == 403
    assert operator.get(f"{LOG}export.{form}").status_code == 403
    assert ">Audit<" not in operator.get("/console/overview/").content.decode()


def test_filters_are_chips_and_what_is_not_understood_is_said(console: Client, batch: Batch) -> None:
    shown = page(console, "?who=anna&what=cancel_batch")
    assert "<b>Cancel batch</b>" in shown
    assert "Remove Who: anna" in shown
    assert "No such act is recorded" in page(console, "?who=nobody")
    for wrong in ("what=fly", "colour=red", "source=x", "created=tomorrow", "after=x", "created_from=yesterday"):
        shown = page(console, f"?{wrong}")
        assert "was not understood" in shown
        assert str(batch) not in shown


def test_old_and_new_values_are_shown_and_a_key_leads_to_its_acts(console: Client, project: Project) -> None:
    """O15"""
    key, _ = issue_key("acme", name="web", actor=ANNA, now=timezone.now())
    change_key(key, name="<app>", expires_at=None, addresses="", actor=ANNA, now=timezone.now())
    shown = page(console, f"?target={key.pk}")
    assert "<del>web</del>" in shown
    assert "<ins>&lt;app&gt;</ins>" in shown
    of_key = console.get(f"/console/keys/{key.pk}/").content.decode()
    assert f'href="{LOG}?target={key.pk}"' in of_key
    assert f'href="{LOG}?who=key%20%3Capp%3E"' in of_key
    assert "change_key" not in of_key
    assert ApiKey.objects.get().name == "<app>"


def test_the_history_of_a_batch_leads_to_its_records_in_two_clicks(member: SignIn, batch: Batch) -> None:
    """O15: who cancelled, and why."""
    admin = member(Role.ADMIN)
    history = admin.get(f"/console/batches/{batch}/history/").content.decode()
    assert "user anna" in history
    assert "A wrong &lt;b&gt;prompt" in history
    assert f'href="{LOG}?target={batch}"' in history
    assert "A wrong &lt;b&gt;prompt" in page(admin, f"?target={batch}")
    viewer = member(Role.VIEWER)
    assert LOG not in viewer.get(f"/console/batches/{batch}/history/").content.decode()


def test_a_refusal_is_told_in_words(member: SignIn, batch: Batch) -> None:
    """O15"""
    member(Role.VIEWER).post(f"/console/batches/{batch}/cancel/")
    history = member(Role.ADMIN).get(f"/console/batches/{batch}/history/").content.decode()
    assert "cancel_batch" not in history
    assert '<span class="badge bad">Refused</span>' in history


def test_exports_have_every_record_that_matches_and_no_formula(console: Client, batch: Batch) -> None:
    record_act("set_quotas", actor=Actor("=cmd()", Source.API), now=timezone.now(), target=batch.project, reason="+1")
    text = console.get(f"{LOG}export.csv?outcome=done").getvalue().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["what"], row["actor"], row["reason"]) for row in rows] == [
        ("Change quotas", "'=cmd()", "'+1"),
        ("Cancel batch", "user anna", "A wrong <b>prompt"),
    ]
    lines = console.get(f"{LOG}export.jsonl?what=cancel_batch").getvalue().splitlines()
    assert [(row["act"], row["target_id"], row["changes"]) for row in map(json.loads, lines)] == [
        ("cancel_batch", str(batch.pk), [])
    ]
    refused = console.get(f"{LOG}export.csv?colour=red")
    assert (refused.status_code, "There is no filter" in refused.content.decode()) == (400, True)


def test_the_page_asks_the_same_number_of_questions_however_much_there_is(console: Client, batch: Batch, count_queries) -> None:  # type: ignore[no-untyped-def]
    few = count_queries(lambda: console.get(LOG))
    for number in range(30):
        record_act("set_quotas", actor=Actor(f"user {number}", Source.API), now=timezone.now(), target=batch.project)
    assert count_queries(lambda: console.get(LOG)) == few


def test_a_person_of_two_projects_reads_those_that_they_administer(member: SignIn, batch: Batch, other_project: Project) -> None:
    admin = member(Role.ADMIN, of=other_project)
    Membership.objects.create(
        user=User.objects.get(username=f"admin of {other_project}"), project=batch.project, role=Role.VIEWER
    )
    assert "A wrong" not in page(admin)
    assert "does not take “acme”" in page(admin, "?project=acme")
