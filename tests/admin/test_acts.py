"""What is done in the admin: batches acted on, with a reason; keys and tokens issued and revoked."""

import re
import uuid

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import AccountToken, ApiKey, AuditEntry, Batch, BulkOperation, Event, Membership, Project, Role
from batches.rules.states import BatchStatus
from batches.services.bulk.run import run
from providers.models import Provider
from tests.admin.conftest import MakeBatch, SignIn

BATCHES = "/admin/batches/batch/"
KEYS = "/admin/batches/apikey/"
TOKENS = "/admin/batches/accounttoken/"


def ask(client: Client, action: str, *batches: Batch, query: str = "", **more: str) -> tuple[str, dict[str, list[str]]]:
    """Choose an action: the question's page, and what its form holds."""
    form = {"action": action, "_selected_action": [str(batch.pk) for batch in batches], **more}
    page = client.post(f"{BATCHES}{query}", form).content.decode()
    hidden: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page):
        hidden.setdefault(name, []).append(value)
    hidden.pop("csrfmiddlewaretoken", None)
    return page, hidden


def act(client: Client, action: str, *batches: Batch, reason: str, query: str = "", **more: str) -> str:
    """Choose an action and go through with it; what the list then says. A worker has had its turn."""
    _, form = ask(client, action, *batches, query=query)
    page = client.post(f"{BATCHES}{query}", {**form, "reason": reason, **more}, follow=True).content.decode()
    for operation in BulkOperation.objects.all():
        run(operation.pk, now=timezone.now())
    return page


def test_an_act_asks_for_a_reason_first_and_touches_nothing(console: Client, make_batch: MakeBatch) -> None:
    running, over = make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch()
    page, form = ask(console, "cancel", running, over)
    assert "Cancel 1 batch" in page
    assert str(running) in page
    assert "<b>1</b> already ended" in page
    assert 'name="reason"' in page
    assert "Give a reason." in console.post(BATCHES, {**form, "reason": " "}).content.decode()
    assert not BulkOperation.objects.exists()


def test_batches_are_cancelled_as_a_bulk_operation(console: Client, make_batch: MakeBatch) -> None:
    running, over = make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch(BatchStatus.COMPLETED)
    page = act(console, "cancel", running, over, reason="A wrong prompt")
    operation = BulkOperation.objects.get()
    assert "1 batch is being cancelled." in page
    assert f'href="/console/bulk/{operation.pk}/"' in page
    assert (operation.total, operation.done, operation.source) == (1, 1, "admin")
    running.refresh_from_db()
    assert running.status == BatchStatus.CANCELLING
    event = Event.objects.get(to_status=BatchStatus.CANCELLING)
    assert (event.actor, event.source, event.note) == ("user operator", "admin", "A wrong prompt")


def test_batches_are_moved_to_another_provider_in_two_steps(console: Client, make_batch: MakeBatch) -> None:
    running = make_batch(BatchStatus.IN_PROGRESS, pending=2)
    Provider.objects.create(name="up-standby", adapter="simulator")
    page, form = ask(console, "reroute", running)
    assert 'name="provider" value="up-standby"' in page
    assert 'name="reason"' not in page
    page, form = ask(console, "reroute", running, provider="up-standby")
    assert "Move 1 batch to up-standby" in page
    assert "may run, and be billed, twice" in page
    console.post(BATCHES, {**form, "reason": "It is down"})
    operation = BulkOperation.objects.get()
    run(operation.pk, now=timezone.now())
    running.refresh_from_db()
    assert running.provider.name == "up-standby"
    page, _ = ask(console, "reroute", running, provider="no such thing")
    assert "Choose the provider to move the batches to." in page


def test_batches_are_paused_resumed_and_reprioritised(console: Client, make_batch: MakeBatch) -> None:
    running = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    act(console, "pause", running, reason="The upstream asked us to")
    running.refresh_from_db()
    assert (running.is_paused, running.paused_by) == (True, "user operator")
    act(console, "resume", running, reason="It is fine again")
    act(console, "reprioritise", running, reason="It is late", priority="9")
    running.refresh_from_db()
    assert (running.is_paused, running.priority) == (False, 9)


def test_what_failed_is_retried_as_a_child_of_what_has_ended(console: Client, make_batch: MakeBatch) -> None:
    over = make_batch(BatchStatus.COMPLETED, succeeded=1, failed=1)
    assert "1 batch is being retried." in act(console, "retry", over, reason="The upstream was down")
    assert over.children.get().created_by == "user operator"


def test_all_means_all_that_match_the_filter_and_not_one_more(console: Client, make_batch: MakeBatch) -> None:
    running = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(3)]
    waiting = make_batch(BatchStatus.VALIDATING)
    query = "?status__exact=in_progress"
    page, form = ask(console, "cancel", running[0], query=query, select_across="1")
    assert "Cancel 3 batches" in page
    assert (form["select_across"], form["_selected_action"]) == (["1"], ["all"])
    late = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    console.post(f"{BATCHES}{query}", {**form, "reason": "All of them"})
    operation = BulkOperation.objects.get()
    assert operation.query == "status__exact=in_progress"
    assert set(operation.items.values_list("batch", flat=True)) == {batch.pk for batch in running}
    assert not operation.items.filter(batch__in=[waiting, late]).exists()
    assert "status__exact=in_progress" in console.get(f"/console/bulk/{operation.pk}/").content.decode()


def test_a_double_click_is_one_operation(console: Client, make_batch: MakeBatch) -> None:
    _, form = ask(console, "pause", make_batch(BatchStatus.IN_PROGRESS, pending=1))
    for _ in range(2):
        console.post(BATCHES, {**form, "reason": "Twice"})
    assert BulkOperation.objects.count() == 1


def test_of_many_the_number_is_typed_and_too_many_are_refused(console: Client, make_batch: MakeBatch, settings: Settings) -> None:
    running = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(3)]
    settings.BULK_OPERATION_TYPED_ABOVE = 2
    page, form = ask(console, "pause", *running)
    assert "Type 3 to confirm" in page
    assert "Type 3 to confirm." in console.post(BATCHES, {**form, "reason": "x", "typed": "4"}).content.decode()
    settings.BULK_OPERATION_MAX_BATCHES = 2
    page, form = ask(console, "pause", *running)
    assert "Too many batches" in page
    assert "token" not in form
    assert not BulkOperation.objects.exists()


def test_a_viewer_is_offered_no_act(member: SignIn, make_batch: MakeBatch) -> None:
    running, viewer = make_batch(BatchStatus.IN_PROGRESS, pending=1), member(Role.VIEWER, is_staff=True)
    assert "Cancel the selected" not in viewer.get(BATCHES).content.decode()
    form = {"action": "cancel", "_selected_action": [running.pk], "token": str(uuid.uuid4()), "reason": "x"}
    viewer.post(BATCHES, form)
    assert not BulkOperation.objects.exists()


def test_what_one_may_only_look_at_is_not_touched_and_the_try_is_on_record(
    member: SignIn, make_batch: MakeBatch, other_project: Project
) -> None:
    own, seen = make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project)
    operator = member(Role.OPERATOR, is_staff=True)
    Membership.objects.create(user=User.objects.get(), project=other_project, role=Role.VIEWER)
    page, form = ask(operator, "cancel", own, seen)
    assert "<b>1</b> not permitted" in page
    assert form["_selected_action"] == [str(own.pk)]
    operator.post(BATCHES, {**form, "_selected_action": [own.pk, seen.pk], "reason": "Both"})
    run(BulkOperation.objects.get().pk, now=timezone.now())
    seen.refresh_from_db()
    own.refresh_from_db()
    assert (own.status, seen.status) == (BatchStatus.CANCELLING, BatchStatus.IN_PROGRESS)
    entry = AuditEntry.objects.get(outcome="refused")
    assert (entry.act, entry.source) == ("bulk_cancel", "admin")


# --- Keys and tokens -----------------------------------------------------------------------------------------


def key_form(project: Project, **changes: str) -> dict[str, object]:
    usual: dict[str, object] = {
        "name": "mobile-app",
        "scopes": ["submit", "read"],
        "addresses": "",
        "expires_at_0": "",
        "expires_at_1": "",
    }
    return {"project": project.pk, **usual, **changes}


def test_a_key_is_shown_once_and_works(console: Client, project: Project) -> None:
    answer = console.post(f"{KEYS}add/", key_form(project))
    assert "no-store" in answer.headers["Cache-Control"]
    page = answer.content.decode()
    key = ApiKey.objects.get(name="mobile-app")
    shown = page[page.index(key.prefix) :].split("<")[0]
    assert key.matches(shown)
    assert shown not in str(answer.cookies)
    for address in (KEYS, f"{KEYS}{key.pk}/change/", f"{KEYS}{key.pk}/history/", "/admin/"):
        later = console.get(address).content.decode()
        assert shown not in later
        assert key.digest not in later
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.target_id, entry.project) == ("issue_key", str(key.pk), project)
    assert shown not in str(entry.__dict__)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "two\u202ewords"}, "printable characters"),
        ({"expires_at_0": "2001-01-01", "expires_at_1": "00:00"}, "cannot expire before it is made"),
        ({"addresses": "10.0.0.1/8"}, "inside the network 10.0.0.0/8"),
        ({"scopes": "everything"}, "not one of the available choices"),
    ],
)
def test_a_key_that_cannot_be_issued_is_refused_beside_its_field(
    console: Client, project: Project, wrong: dict[str, str], said: str
) -> None:
    page = console.post(f"{KEYS}add/", key_form(project, **wrong))
    assert page.status_code == 200
    assert said in page.content.decode()
    assert not ApiKey.objects.exists()


def test_a_project_whose_slug_the_admin_took_has_keys(console: Client) -> None:
    project = Project.objects.create(slug="Search-Team", name="Search")
    console.post(f"{KEYS}add/", key_form(project))
    assert ApiKey.objects.get().project == project


def test_keys_are_revoked_on_record(console: Client, project: Project) -> None:
    key, _ = ApiKey.issue(project=project, name="old")
    form = {"action": "revoke", "_selected_action": [key.pk]}
    assert "Running batches: keep, pause or cancel them?" in console.post(KEYS, form).content.decode()
    assert not AuditEntry.objects.exists(), "a question does nothing"
    form |= {"fate": "run", "reason": "It leaked."}
    for expected in ("1 revoked, 0 were revoked before.", "0 revoked, 1 were revoked before."):
        assert expected in console.post(KEYS, form, follow=True).content.decode()
    key.refresh_from_db()
    assert key.revoked_at is not None
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.reason) == ("revoke_key", "running batches: let them run; It leaked.")


def test_the_running_batches_of_keys_go_the_way_that_was_chosen(console: Client, make_batch: MakeBatch, project: Project) -> None:
    keys = [ApiKey.issue(project=project, name=name)[0] for name in ("one", "two")]
    for key in keys:
        Batch.objects.filter(pk=make_batch(BatchStatus.IN_PROGRESS, pending=1).pk).update(created_by_key=key)
    form = {"action": "revoke", "_selected_action": [key.pk for key in keys]}
    assert console.post(KEYS, form).content.decode().count(": 1 running batch</li>") == 2
    form |= {"fate": "pause"}
    assert "2 revoked" in console.post(KEYS, form, follow=True).content.decode()
    for operation in BulkOperation.objects.all():
        run(operation.pk, now=timezone.now())
    assert Batch.objects.filter(paused_at__isnull=False).count() == 2


def test_o16_a_token_is_shown_once_and_revoked_after_a_question(console: Client, project: Project, simulator: Provider) -> None:
    """O16: a token was revoked without a question."""
    page = console.post(f"{TOKENS}add/", {"project": project.pk, "provider": simulator.pk}).content.decode()
    token = AccountToken.objects.get()
    assert "acct_" in page
    assert "acct_" not in console.get(f"{TOKENS}{token.pk}/change/").content.decode()
    question = console.post(TOKENS, {"action": "revoke", "_selected_action": [token.pk]}).content.decode()
    assert AccountToken.objects.filter(revoked_at=None).exists(), "a question does nothing"
    assert "Running batches keep running." in question
    console.post(TOKENS, {"action": "revoke", "_selected_action": [token.pk], "confirmed": "1", "reason": "Leaked"})
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert AuditEntry.objects.get(act="revoke_token").reason == "Leaked"
    assert list(AuditEntry.objects.values_list("act", flat=True).order_by("id")) == ["issue_token", "revoke_token"]


def test_a_token_for_a_provider_that_is_not_granted_is_refused_beside_its_field(console: Client, project: Project) -> None:
    other = Provider.objects.create(name="theirs", adapter="simulator", granted_to_all=False)
    page = console.post(f"{TOKENS}add/", {"project": project.pk, "provider": other.pk}).content.decode()
    assert "Project acme may not use provider theirs." in page
    assert not AccountToken.objects.exists()


def test_only_who_administers_a_project_issues_its_keys(member: SignIn, project: Project, other_project: Project) -> None:
    assert member(Role.OPERATOR, is_staff=True).post(f"{KEYS}add/", key_form(project)).status_code == 403
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.outcome) == ("add_apikey", "refused")
    admin_of_acme = member(Role.ADMIN, is_staff=True)
    assert "Select a valid choice" in admin_of_acme.post(f"{KEYS}add/", key_form(other_project)).content.decode()
    assert admin_of_acme.post(f"{KEYS}add/", key_form(project)).status_code == 200
    assert ApiKey.objects.get().project == project
