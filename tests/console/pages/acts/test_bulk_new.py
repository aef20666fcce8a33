"""An act on many batches in the console: the question, and the order."""

import html
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Batch, BatchError, BulkItem, BulkOperation, Membership, Project, Role
from batches.rules.states import BatchStatus
from providers.models import Provider
from tests import rounds
from tests.cast import request_lines, started
from tests.console.bulk import BACK, NEW, answer, ask, ask_all, finished
from tests.console.conftest import MakeBatch, SignIn

# --- The question ----------------------------------------------------------------------------------------------


def test_the_question_says_to_how_many_and_why_not_to_the_others(
    console: Client, running: list[Batch], make_batch: MakeBatch
) -> None:
    for status in (BatchStatus.COMPLETED, BatchStatus.CANCELLING):
        make_batch(status)
    page = ask_all(console)["page"]
    assert "Cancel 3 batches?" in page
    assert "<b>3 can be cancelled</b>" in page
    assert "<b>1</b> already ended" in page
    assert "<b>1</b> already being cancelled" in page
    assert all(str(batch) in page for batch in running)
    assert not BulkOperation.objects.exists()


def test_the_question_names_the_filter_in_words(console: Client, running: list[Batch]) -> None:
    page = ask_all(console, "view=active&status=in_progress&metadata.team!=search")["page"]
    assert "Active, with status <b>In progress</b>, team not <b>search</b>".lower() in re.sub(r"metadata\.", "", page).lower()


def test_the_question_may_be_asked_by_an_address(console: Client, running: list[Batch]) -> None:
    page = console.get(f"{NEW}?act=pause&scope=matching&query=status%3Din_progress").content.decode()
    assert "Pause 3 batches?" in page
    assert not BulkOperation.objects.exists()


def test_of_those_that_were_ticked_the_possible_ones_are_ordered(console: Client, make_batch: MakeBatch) -> None:
    running, over = make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch()
    form = ask(console, running, over)
    assert form["batch"] == [str(running.pk)]
    answer(console, form)
    assert BulkItem.objects.get().batch == running


def test_what_cannot_be_done_to_any_is_said_and_offers_no_button(console: Client, make_batch: MakeBatch) -> None:
    page = ask(console, make_batch())["page"]
    assert "No batch can be cancelled" in page
    assert "<button" not in page
    assert f'href="{BACK}"' in page


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Choose an act"),
        ({"act": "explode", "scope": "matching"}, "Choose an act"),
        ({"act": "cancel"}, "Choose 1 to 1,000 batches"),
        ({"act": "cancel", "batch": ["nonsense\0"]}, "is not the id of a batch"),
        ({"act": "cancel", "scope": "matching", "query": "status=lost"}, "does not take “lost”"),
        ({"act": "cancel", "scope": "matching", "query": "text=%00"}, "NUL"),
        ({"act": "cancel", "scope": "matching", "query": "text=" + "x" * 2000}, "too long"),
    ],
)
def test_what_is_not_understood_touches_nothing_and_leads_back(
    console: Client, running: list[Batch], form: dict[str, Any], said: str
) -> None:
    answered = console.post(NEW, form | {"token": str(uuid.uuid4()), "reason": "x", "back": BACK}, follow=True)
    assert answered.redirect_chain[0] == (BACK, 302)
    assert said in answered.content.decode()
    assert not BulkOperation.objects.exists()


@pytest.mark.parametrize(
    "back", ["https://evil.example/console/batches/", "//evil.example/", "/admin/", "", "javascript:alert(1)"]
)
def test_the_way_back_is_always_the_list(console: Client, back: str) -> None:
    assert console.post(NEW, {"back": back}).headers["Location"] == "/console/batches/"


def test_a_question_asks_as_much_about_many_as_about_few(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    counts = []
    for _ in range(2):
        for _ in range(6):
            make_batch(BatchStatus.IN_PROGRESS, pending=1)
        counts.append(count_queries(lambda: ask_all(console)))
    assert counts[0] == counts[1] < 12


# --- The order -------------------------------------------------------------------------------------------------


def test_an_order_leads_back_to_the_list_with_numbers_and_a_link(console: Client, running: list[Batch]) -> None:
    answered = answer(console, ask(console, *running[:2]))
    assert answered.headers["Location"] == BACK
    page = console.get(BACK).content.decode()
    operation = BulkOperation.objects.get()
    assert "2 batches are being cancelled." in page
    assert f'href="/console/bulk/{operation.pk}/"' in page
    assert (operation.total, operation.reason, operation.actor, operation.source) == (
        2,
        "A wrong prompt",
        "user operator",
        "console",
    )
    assert AuditEntry.objects.get().act == "bulk_cancel"


def test_everything_that_matches_is_what_matched_when_it_was_shown(
    console: Client, running: list[Batch], make_batch: MakeBatch
) -> None:
    form = ask_all(console, "status=in_progress")
    late = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    answer(console, form)
    caught = set(BulkItem.objects.values_list("batch_id", flat=True))
    assert caught == {batch.pk for batch in running}
    assert late.pk not in caught
    assert BulkOperation.objects.get().query == "status=in_progress"


def test_a_double_click_is_one_operation(console: Client, running: list[Batch]) -> None:
    form = ask(console, *running)
    for _ in range(2):
        assert answer(console, form).status_code == 302
    assert BulkOperation.objects.count() == 1


def test_without_a_reason_it_is_asked_again(console: Client, running: list[Batch]) -> None:
    answered = answer(console, ask(console, *running), reason=" ")
    assert answered.status_code == 400
    assert "Give a reason" in answered.content.decode()
    assert not BulkOperation.objects.exists()


def test_of_many_the_number_has_to_be_typed(console: Client, running: list[Batch], settings: Settings) -> None:
    settings.BULK_OPERATION_TYPED_ABOVE = 2
    form = ask(console, *running)
    assert "Type <b>3</b> to confirm" in form["page"]
    answered = answer(console, form, typed="2")
    assert "Type 3 to confirm." in answered.content.decode()
    assert not BulkOperation.objects.exists()
    assert answer(console, form, typed=" 3 ").status_code == 302
    assert BulkOperation.objects.get().total == 3


def test_too_many_are_refused_before_anything_is_asked(console: Client, running: list[Batch], settings: Settings) -> None:
    settings.BULK_OPERATION_MAX_BATCHES = 2
    page = ask_all(console)["page"]
    assert "Too many batches" in page
    assert "<button" not in page


def test_more_than_was_shown_is_asked_about_again_with_the_new_number(console: Client, make_batch: MakeBatch) -> None:
    paused = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(2)]
    Batch.objects.filter(pk=paused[0].pk).update(paused_at=timezone.now())
    form = ask_all(console, act="resume")
    Batch.objects.update(paused_at=timezone.now())
    answered = answer(console, form)
    page = answered.content.decode()
    assert answered.status_code == 409
    assert "The act now fits 2 batches; the preview showed 1. Preview it again." in page
    assert "Resume 2 batches?" in page


def test_a_priority_is_asked_for_and_checked(console: Client, running: list[Batch]) -> None:
    form = ask(console, *running, act="reprioritise")
    assert 'name="priority"' in form["page"]
    for wrong in ("", "101", "high", "-101", "1" * 30, "²"):
        assert answer(console, form, priority=wrong).status_code == 400
    answer(console, form, priority="-7")
    finished(BulkOperation.objects.get())
    assert set(Batch.objects.values_list("priority", flat=True)) == {-7}


@pytest.mark.parametrize(
    "broken",
    [
        {"token": "x"},
        {"created_before": "yesterday"},
        {"created_before": "0001-01-01T00:00:00+14:00"},
        {"created_before": "2026-02-31T10:00:00Z"},
        {"shown": "many"},
        {"typed": "ten"},
        {"reason": "a\0b"},
    ],
)
def test_a_form_that_was_tampered_with_touches_nothing(console: Client, running: list[Batch], broken: dict[str, str]) -> None:
    form = ask(console, *running)
    assert answer(console, form | {name: [value] for name, value in broken.items()}, **broken).status_code == 400
    assert not BulkOperation.objects.exists()


def test_an_order_needs_the_forms_own_token(operator: User, running: list[Batch]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert client.post(NEW, {"act": "cancel", "batch": [str(running[0])]}).status_code == 403


def test_a_viewer_orders_nothing_and_the_try_is_on_record(member: SignIn, running: list[Batch]) -> None:
    viewer = member(Role.VIEWER)
    assert viewer.post(NEW, {"act": "cancel", "scope": "matching", "token": str(uuid.uuid4())}).status_code == 403
    assert "data-select" not in viewer.get("/console/batches/").content.decode()
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.outcome, entry.actor) == ("new_bulk", "refused", "user viewer of acme")


def test_what_one_may_only_look_at_is_counted_as_such(
    member: SignIn, running: list[Batch], make_batch: MakeBatch, other_project: Project
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project)
    ada = member(Role.OPERATOR)
    Membership.objects.create(user=User.objects.get(), project=other_project, role=Role.VIEWER)
    page = ask_all(ada)["page"]
    assert "Cancel 3 batches?" in page
    assert "<b>1</b> not permitted" in page


# --- One error group, in all of its batches --------------------------------------------------------------------


@pytest.fixture
def failing(project: Project, simulator: Provider) -> list[Batch]:
    """Two batches that run: of both line 1 was odd, of the first line 2 came too late, too."""
    first, second = started(project, request_lines(4)), started(project, request_lines(4))
    rounds.run(first, odd={1}, late={2}, keep={4})
    rounds.run(second, odd={1}, keep={4})
    return [first, second]


def retry_link(console: Client, fingerprint: str) -> str:
    page = console.get(f"/console/errors/{fingerprint}/").content.decode()
    return html.unescape(re.findall(r'href="([^"]+)">[^<]*<svg[^>]*>.*?</svg> Retry this group…', page)[0])


def test_an_error_group_is_retried_in_all_of_its_batches_and_nothing_else_is(console: Client, failing: list[Batch]) -> None:
    first, second = failing
    late = rounds.fingerprint_of(first, "timeout")
    odd = next(error.fingerprint for error in BatchError.objects.filter(batch=first) if error.fingerprint != late)
    page = console.get(retry_link(console, odd)).content.decode()
    assert "Retry the failures of 2 batches?" in page
    assert odd in page

    answer(console, ask_all(console, f"view=all&error={odd}", act="retry", error=odd))

    operation = finished(BulkOperation.objects.get())
    assert operation.parameters == {"error": odd}
    assert operation.done == 2
    assert (rounds.failed(first), rounds.failed(second)) == ({2}, set())
    assert odd in console.get(f"/console/bulk/{operation.pk}/").content.decode()


def test_a_batch_without_a_failure_of_the_group_is_left_alone(console: Client, failing: list[Batch]) -> None:
    late = rounds.fingerprint_of(failing[0], "timeout")

    page = ask(console, *failing, act="retry", error=late)["page"]

    assert "Retry the failures of 1 batch?" in page
    assert "<b>1</b> without a failure of this group" in page


@pytest.mark.parametrize("error", [" ", "a/b", "\0", "x" * 44])
def test_what_is_no_error_group_is_said(console: Client, failing: list[Batch], error: str) -> None:
    sent = {"act": "retry", "scope": "matching", "query": "view=all", "error": error}

    assert "The address names no error group." in console.get(NEW, sent, follow=True).content.decode()
    assert "The address names no error group." in console.post(NEW, sent, follow=True).content.decode()
