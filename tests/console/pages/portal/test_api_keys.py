"""The pages of API keys: for who administers a project, with the text of a key on one page, once."""

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import ApiKey, AuditEntry, Batch, BulkOperation, Project, Role, Scope
from batches.rules.states import BatchStatus
from batches.services.bulk.run import run
from batches.services.people.keys import issue_key
from tests.cast import TESTER
from tests.console.conftest import MakeBatch, SignIn
from tests.dialects.openai.conftest import Api

KEYS = "/console/keys/"


def form(**changes: Any) -> dict[str, Any]:
    said = {
        "project": "acme",
        "name": "web",
        "scopes": ["submit", "read"],
        "expires_at": "",
        "addresses": "",
        "token": str(uuid7()),
    }
    return said | changes


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return text_of(answer)


@pytest.fixture
def admin(member: SignIn) -> Client:
    """Somebody who administers `project`, and nothing else."""
    return member(Role.ADMIN)


def issue(project: Project, **changes: Any) -> ApiKey:
    usual: dict[str, Any] = {"name": "web", "actor": TESTER, "now": timezone.now()}
    return issue_key(project.slug, **usual | changes)[0]


# --- Making ----------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_kept_nowhere(
    admin: Client, project: Project, simulator: object, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = admin.post(f"{KEYS}new/", form(addresses="127.0.0.1 10.0.0.0/8"))
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    (plain,) = set(re.findall(r"by_\w{20,}", answer.content.decode()))
    key = ApiKey.objects.get()
    assert (key.matches(plain), key.scopes, key.created_by) == (True, "submit read", "user admin of acme")
    assert Api(plain).get("/v1/batches").status == 200

    kept = [*(vars(entry) for entry in AuditEntry.objects.all()), *(row.get_decoded() for row in Session.objects.all())]
    assert AuditEntry.objects.get().act == "issue_key"
    assert plain not in str(kept)
    assert plain not in caplog.text
    assert plain not in str(admin.cookies)
    for path in (KEYS, f"{KEYS}{key.pk}/", f"{KEYS}{key.pk}/revoke/", f"{KEYS}new/", "/console/overview/"):
        assert plain not in page(admin, path)


def test_a_form_that_is_sent_twice_makes_one_key_and_says_so(admin: Client, project: Project) -> None:
    said = form()
    admin.post(f"{KEYS}new/", said)
    again = admin.post(f"{KEYS}new/", said)
    assert again.status_code == 422
    assert "was sent before" in text_of(again)
    assert not re.findall(r"by_\w{20,}", again.content.decode())
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "two\u202ewords"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"expires_at": "2001-01-01T00:00"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59"}, "expires_at"),
        ({"addresses": "10.0.0.1/8"}, "addresses"),
        ({"project": "globex"}, "project"),
        ({"project": "nobody\0"}, "project"),
        ({"token": "x"}, "token"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_makes_nothing(
    admin: Client, project: Project, other_project: Project, wrong: dict[str, Any], field: str
) -> None:
    admin.cookies["zone"] = "America/New_York"
    answer = admin.post(f"{KEYS}new/", form(**wrong))
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert not ApiKey.objects.exists()


# --- Looking ---------------------------------------------------------------------------------------------------


def test_the_list_tells_of_a_key_whatever_is_known_of_it(admin: Client, project: Project) -> None:
    now = timezone.now()
    key = issue(project, scopes=["read"], addresses="10.0.0.0/8", expires_at=now + timedelta(days=3))
    ApiKey.objects.update(last_used_at=now - timedelta(hours=2), refused_at=now)
    issue(project, name="old")
    ApiKey.objects.filter(name="old").update(revoked_at=now)
    text = page(admin, KEYS)
    for told in (key.prefix, "Expires soon", ">read<", "some addresses", "tester", "2 h ago", "refused"):
        assert told in text
    assert ">old<" not in text
    assert ">old<" in page(admin, f"{KEYS}?state=all")
    assert "Revoked" in page(admin, f"{KEYS}?state=all")


def test_the_list_has_the_keys_of_ones_own_projects_and_can_be_narrowed(
    member: SignIn, console: Client, project: Project, other_project: Project
) -> None:
    for owner, name in ((project, "own-key"), (other_project, "foreign-key")):
        issue(owner, name=name)
    mine = page(member(Role.ADMIN), KEYS)
    assert "own-key" in mine
    assert "foreign-key" not in mine
    assert "globex" not in mine
    assert "own-key" in page(console, KEYS)
    assert "own-key" not in page(console, f"{KEYS}?project=globex")
    assert "own-key" not in page(console, f"{KEYS}?project=%00")


def test_the_way_there_is_shown_to_who_administers_something(member: SignIn, project: Project) -> None:
    assert KEYS in page(member(Role.ADMIN), "/console/overview/")
    assert KEYS not in page(member(Role.OPERATOR), "/console/overview/")


# --- Changing --------------------------------------------------------------------------------------------------


def test_name_expiry_and_addresses_are_changed_on_record(admin: Client, project: Project) -> None:
    key = issue(project)
    answer = admin.post(
        f"{KEYS}{key.pk}/", {"name": "app", "expires_at": "2030-01-02T03:04:05", "addresses": "192.0.2.7\n2001:db8::/32"}
    )
    assert answer.status_code == 302
    key.refresh_from_db()
    assert (key.name, f"{key.expires_at:%Y-%m-%d %H:%M:%S}", key.addresses) == (
        "app",
        "2030-01-02 03:04:05",
        "192.0.2.7/32 2001:db8::/32",
    )
    text = page(admin, f"{KEYS}{key.pk}/")
    assert "<del>web</del>" in text
    assert "<ins>app</ins>" in text
    assert "<ins>2030-01-02" in text


def test_a_form_that_is_sent_unchanged_changes_nothing(admin: Client, project: Project) -> None:
    """The field knows no part of a second."""
    key = issue(project, expires_at=timezone.now() + timedelta(days=1, microseconds=77), addresses="10.0.0.0/8 192.0.2.7")
    shown = admin.get(f"{KEYS}{key.pk}/").context["form"]
    said = {name: shown[name].value() for name in ("name", "addresses")}
    said["expires_at"] = shown["expires_at"].value().strftime("%Y-%m-%dT%H:%M:%S")
    assert admin.post(f"{KEYS}{key.pk}/", said).status_code == 302
    assert ApiKey.objects.get().expires_at == key.expires_at
    assert not AuditEntry.objects.filter(act="change_key").exists()


def test_scopes_are_not_changed_whatever_is_sent(admin: Client, project: Project) -> None:
    key = issue(project, scopes=["read"])
    admin.post(f"{KEYS}{key.pk}/", {"name": "web", "scopes": ["operate"]})
    assert ApiKey.objects.get().scope_list == [Scope.READ]


def test_a_revoked_key_has_no_form_and_is_not_changed(admin: Client, project: Project) -> None:
    key = issue(project)
    ApiKey.objects.update(revoked_at=timezone.now())
    assert "<textarea" not in page(admin, f"{KEYS}{key.pk}/")
    admin.post(f"{KEYS}{key.pk}/", {"name": "app"})
    assert ApiKey.objects.get().name == "web"


# --- Revoking --------------------------------------------------------------------------------------------------


@pytest.fixture
def busy(project: Project, make_batch: MakeBatch) -> ApiKey:
    """A key with two running batches."""
    key = issue(project)
    for _ in range(2):
        Batch.objects.filter(pk=make_batch(BatchStatus.IN_PROGRESS, pending=1).pk).update(created_by_key=key)
    return key


def test_the_question_says_how_many_batches_run_and_asks_what_becomes_of_them(admin: Client, busy: ApiKey) -> None:
    text = page(admin, f"{KEYS}{busy.pk}/revoke/")
    assert "2 running batches: keep, pause or cancel them?" in text
    assert all(words in text for words in ("Let them run", "Pause them", "Cancel them"))
    undecided = admin.post(f"{KEYS}{busy.pk}/revoke/", {"reason": "It leaked."})
    assert undecided.status_code == 422
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize(
    ("fate", "status", "paused"),
    [("run", "in_progress", False), ("pause", "in_progress", True), ("cancel", "cancelling", False)],
)
def test_what_was_chosen_is_done(admin: Client, busy: ApiKey, fate: str, status: str, paused: bool) -> None:
    answer = admin.post(f"{KEYS}{busy.pk}/revoke/", {"fate": fate, "reason": "It leaked."}, follow=True)
    assert "is refused from now on" in text_of(answer)
    operation = BulkOperation.objects.first()
    assert (operation is None) is (fate == "run")
    if operation is not None:
        assert f"/console/bulk/{operation.pk}/" in text_of(answer)
        run(operation.pk, now=timezone.now())
    for batch in Batch.objects.all():
        assert (batch.status, batch.paused_at is not None) == (status, paused)
    assert "It leaked." in AuditEntry.objects.get(act="revoke_key").reason
    again = admin.post(f"{KEYS}{busy.pk}/revoke/", {"fate": "cancel"}, follow=True)
    assert "was already revoked" in text_of(again)
    assert BulkOperation.objects.count() == (fate != "run")


def test_a_key_without_running_batches_is_revoked_without_that_question(admin: Client, project: Project) -> None:
    key = issue(project)
    assert "The key has no running batch." in page(admin, f"{KEYS}{key.pk}/revoke/")
    assert admin.post(f"{KEYS}{key.pk}/revoke/", {}).status_code == 302
    assert ApiKey.objects.get().revoked_at is not None
