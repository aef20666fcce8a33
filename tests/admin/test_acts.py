"""What is done in the admin: batches acted on, with a reason; keys and tokens issued and revoked."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from batches.admin import batch as batch_admin
from batches.models import AccountToken, ApiKey, AuditEntry, Batch, Event, Membership, Project, Role
from batches.states import BatchStatus
from providers.models import Provider
from tests.admin.conftest import MakeBatch, SignIn

BATCHES = "/admin/batches/batch/"
KEYS = "/admin/batches/apikey/"
TOKENS = "/admin/batches/accounttoken/"


def act(client: Client, action: str, *batches: Batch, reason: str = "", query: str = "", **more: str) -> str:
    """Choose an action, and with a reason go through with it; what the page then says."""
    form = {"action": action, "_selected_action": [str(batch.pk) for batch in batches], **more}
    if reason:
        form["reason"] = reason
    return client.post(f"{BATCHES}{query}", form, follow=True).content.decode()


def test_an_act_asks_for_a_reason_first_and_touches_nothing(console: Client, make_batch: MakeBatch) -> None:
    running = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    page = act(console, "cancel", running)
    assert "Cancel 1 batch" in page
    assert str(running) in page
    assert 'name="reason"' in page
    assert (
        "This field is required"
        in console.post(BATCHES, {"action": "cancel", "_selected_action": [running.pk], "reason": " "}).content.decode()
    )
    running.refresh_from_db()
    assert running.status == BatchStatus.IN_PROGRESS


def test_batches_are_cancelled_through_the_service(console: Client, make_batch: MakeBatch) -> None:
    running, over = make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch(BatchStatus.COMPLETED)
    page = act(console, "cancel", running, over, reason="A wrong prompt")
    assert "Cancel: done for 1, left alone 1." in page
    assert f"Left alone: {over}. Cannot cancel a batch with status" in page
    running.refresh_from_db()
    assert running.status == BatchStatus.CANCELLING
    event = Event.objects.get(to_status=BatchStatus.CANCELLING)
    assert (event.actor, event.source, event.note) == ("user operator", "admin", "A wrong prompt")


def test_batches_are_paused_and_resumed(console: Client, make_batch: MakeBatch) -> None:
    running = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    act(console, "pause", running, reason="The upstream asked us to")
    running.refresh_from_db()
    assert (running.is_paused, running.paused_by) == (True, "user operator")
    act(console, "resume", running, reason="It is fine again")
    running.refresh_from_db()
    assert not running.is_paused


def test_what_failed_is_retried_as_a_child_of_what_has_ended(console: Client, make_batch: MakeBatch) -> None:
    over = make_batch(BatchStatus.COMPLETED, succeeded=1, failed=1)
    assert "done for 1" in act(console, "retry", over, reason="The upstream was down")
    assert over.children.get().created_by == "user operator"


def test_all_means_all_that_match_the_filter_and_not_one_more(console: Client, make_batch: MakeBatch) -> None:
    running = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(3)]
    waiting = make_batch(BatchStatus.VALIDATING)
    query = "?status__exact=in_progress"
    page = act(console, "cancel", running[0], query=query, select_across="1")
    assert "Cancel 3 batches" in page
    assert 'name="select_across" value="1"' in page
    form = {"action": "cancel", "_selected_action": ["all"], "select_across": "1", "reason": "All of them"}
    console.post(f"{BATCHES}{query}", form)
    assert Batch.objects.filter(status=BatchStatus.CANCELLING).count() == 3
    waiting.refresh_from_db()
    assert waiting.status == BatchStatus.VALIDATING


def test_no_more_than_a_bound_is_acted_on_and_that_is_said(
    console: Client, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_admin, "MOST_ACTED_ON", 2)
    running = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(3)]
    page = act(console, "pause", *running, reason="Too many")
    assert "Only the oldest 2 were looked at" in page
    assert Batch.objects.filter(paused_at=None).get() == running[-1]


def test_a_viewer_is_offered_no_act(member: SignIn, make_batch: MakeBatch) -> None:
    running, viewer = make_batch(BatchStatus.IN_PROGRESS, pending=1), member(Role.VIEWER, is_staff=True)
    assert "Cancel the selected" not in viewer.get(BATCHES).content.decode()
    act(viewer, "cancel", running, reason="x")
    running.refresh_from_db()
    assert running.status == BatchStatus.IN_PROGRESS


def test_what_one_may_only_look_at_is_not_touched_and_the_try_is_on_record(
    member: SignIn, make_batch: MakeBatch, other_project: Project
) -> None:
    own, seen = make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project)
    operator = member(Role.OPERATOR, is_staff=True)
    Membership.objects.create(user=User.objects.get(), project=other_project, role=Role.VIEWER)
    page = act(operator, "cancel", own, seen, reason="Both")
    assert "1 not touched: you may only look at them." in page
    seen.refresh_from_db()
    own.refresh_from_db()
    assert (own.status, seen.status) == (BatchStatus.CANCELLING, BatchStatus.IN_PROGRESS)
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.outcome, entry.source) == ("cancel_batch", "refused", "admin")


# --- Keys and tokens -----------------------------------------------------------------------------------------


def key_form(project: Project, **changes: str) -> dict[str, object]:
    return {"project": project.pk, "name": "mobile-app", "expires_at_0": "", "expires_at_1": ""} | changes


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
    for expected in ("1 revoked, 0 were revoked before.", "0 revoked, 1 were revoked before."):
        form = {"action": "revoke", "_selected_action": [key.pk]}
        assert expected in console.post(KEYS, form, follow=True).content.decode()
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert AuditEntry.objects.get().act == "revoke_key"


def test_a_token_is_shown_once_and_revoked(console: Client, project: Project, simulator: Provider) -> None:
    page = console.post(f"{TOKENS}add/", {"project": project.pk, "provider": simulator.pk}).content.decode()
    token = AccountToken.objects.get()
    assert "acct_" in page
    assert "acct_" not in console.get(f"{TOKENS}{token.pk}/change/").content.decode()
    console.post(TOKENS, {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert token.revoked_at is not None
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
