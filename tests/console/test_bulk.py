"""Bulk operations in the console: the question, the order, the list, the page, and what comes of each batch."""

import csv
import io
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Batch, BulkItem, BulkOperation, Membership, Project, Role
from batches.services.bulk.run import run
from batches.services.cancel import cancel
from batches.states import BatchStatus
from tests.cast import TESTER
from tests.console.conftest import MakeBatch, SignIn

NEW = "/console/bulk/new/"
BACK = "/console/batches/?status=in_progress"


def ask(client: Client, *batches: Batch, act: str = "cancel", **more: Any) -> dict[str, Any]:
    """The question about these batches: what its form holds, `page` as it reads."""
    return question(client, {"act": act, "scope": "selected", "batch": [str(batch) for batch in batches], "back": BACK, **more})


def ask_all(client: Client, query: str = "", act: str = "cancel", **more: Any) -> dict[str, Any]:
    return question(client, {"act": act, "scope": "matching", "query": query, "back": BACK, **more})


def question(client: Client, form: dict[str, Any]) -> dict[str, Any]:
    page = client.post(NEW, form).content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    hidden: dict[str, Any] = {"page": main}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', main):
        hidden.setdefault(name, []).append(value.replace("&amp;", "&"))
    return hidden


def answer(client: Client, form: dict[str, Any], *, reason: str = "A wrong prompt", **more: Any) -> Any:
    """What the console answers to the order."""
    fields = {name: value for name, value in form.items() if name != "page"}
    return client.post(NEW, {**fields, "reason": reason, **more})


def finished(operation: BulkOperation) -> BulkOperation:
    run(operation.pk, now=timezone.now())
    operation.refresh_from_db()
    return operation


@pytest.fixture
def running(make_batch: MakeBatch) -> list[Batch]:
    return [make_batch(BatchStatus.IN_PROGRESS, remark=f"Number {number}", pending=1) for number in range(3)]


@pytest.fixture
def operation(console: Client, running: list[Batch], make_batch: MakeBatch) -> BulkOperation:
    """Four batches to cancel, of which somebody else has cancelled one."""
    over = make_batch(BatchStatus.IN_PROGRESS, remark="Over", pending=1)
    answer(console, ask(console, *running, over))
    cancel(over, actor=TESTER, now=timezone.now())
    return BulkOperation.objects.get()


# --- The question ----------------------------------------------------------------------------------------------


def test_the_question_says_to_how_many_and_why_not_to_the_others(
    console: Client, running: list[Batch], make_batch: MakeBatch
) -> None:
    for status in (BatchStatus.COMPLETED, BatchStatus.CANCELLING):
        make_batch(status)
    page = ask_all(console)["page"]
    assert "Cancel 3 batches?" in page
    assert "<b>3 can be cancelled</b>" in page
    assert "<b>1</b> ended already" in page
    assert "<b>1</b> being cancelled already" in page
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
    assert "There is nothing to do" in page
    assert "<button" not in page
    assert f'href="{BACK}"' in page


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Choose what is to be done"),
        ({"act": "explode", "scope": "matching"}, "Choose what is to be done"),
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
    assert "Type <b>3</b> to go on" in form["page"]
    answered = answer(console, form, typed="2")
    assert "Type 3 to go on." in answered.content.decode()
    assert not BulkOperation.objects.exists()
    assert answer(console, form, typed=" 3 ").status_code == 302
    assert BulkOperation.objects.get().total == 3


def test_too_many_are_refused_before_anything_is_asked(console: Client, running: list[Batch], settings: Settings) -> None:
    settings.BULK_OPERATION_MAX_BATCHES = 2
    page = ask_all(console)["page"]
    assert "These are too many" in page
    assert "<button" not in page


def test_more_than_was_shown_is_asked_about_again_with_the_new_number(console: Client, make_batch: MakeBatch) -> None:
    paused = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(2)]
    Batch.objects.filter(pk=paused[0].pk).update(paused_at=timezone.now())
    form = ask_all(console, act="resume")
    Batch.objects.update(paused_at=timezone.now())
    answered = answer(console, form)
    page = answered.content.decode()
    assert answered.status_code == 409
    assert "By now it would be done to 2, and you were shown 1. Look again." in page
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


# --- The list and the page -------------------------------------------------------------------------------------


def test_the_list_has_ones_own_operations_and_all_for_who_administers(
    console: Client, member: SignIn, operation: BulkOperation
) -> None:
    address = f"/console/bulk/{operation.pk}/"
    assert address in console.get("/console/bulk/").content.decode()
    ada = member(Role.OPERATOR)
    assert "No bulk operations yet" in ada.get("/console/bulk/").content.decode()
    for path in (address, f"{address}outcomes.csv"):
        assert ada.get(path).status_code == 404
    for path in (f"{address}cancel/", f"{address}retry/"):
        assert ada.post(path).status_code == 404
    operation.refresh_from_db()
    assert operation.status == "pending"


def test_the_list_is_paged_by_position(console: Client, operator: User) -> None:
    now = timezone.now()
    made = [
        BulkOperation.objects.create(
            owner=operator, actor="user operator", source="console", act="pause", reason="r", created_before=now, created_at=now
        )
        for _ in range(51)
    ]
    first = console.get("/console/bulk/").content.decode()
    assert str(made[0].pk) not in first
    older = re.findall(r'rel="next" href="([^"]+)"', first)[0]
    page = console.get(f"/console/bulk/{older}").content.decode()
    assert str(made[0].pk) in page
    newer = re.findall(r'rel="prev" href="([^"]+)"', page)[0]
    assert str(made[50].pk) in console.get(f"/console/bulk/{newer}").content.decode()
    for wrong in ("after=x", f"after={made[0].pk}", f"after={made[0].pk.hex}&before={made[0].pk.hex}"):
        assert "was not understood" in console.get(f"/console/bulk/?{wrong}").content.decode()


def test_the_page_is_live_while_it_runs_and_still_afterwards(console: Client, operation: BulkOperation) -> None:
    address = f"/console/bulk/{operation.pk}/"
    page = console.get(address).content.decode()
    assert 'data-live="1000"' in page
    assert "Cancel the rest" in page
    first = console.get(address, headers={"X-Requested-With": "fragment"})
    assert b"<html" not in first.content
    again = console.get(address, headers={"X-Requested-With": "fragment", "If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    finished(operation)
    page = console.get(address).content.decode()
    assert "data-live=" not in page
    assert "Cancel the rest" not in page
    assert "Done, 1 skipped" in page
    assert "4 of 4 · 1 skipped" in page


def test_outcomes_are_filtered_by_what_came_of_a_batch(console: Client, operation: BulkOperation) -> None:
    finished(operation)
    address = f"/console/bulk/{operation.pk}/"
    page = console.get(f"{address}?status=skipped").content.decode()
    assert "Over" in page
    assert "Being cancelled already." in page
    assert "Number 1" not in page
    assert "No batch has this outcome" in console.get(f"{address}?status=failed").content.decode()
    assert "does not take “lost”" in console.get(f"{address}?status=lost").content.decode()


def test_a_page_of_many_outcomes_has_a_constant_number_of_queries(
    console: Client,
    make_batch: MakeBatch,
    count_queries: Callable[[Callable[[], object]], int],
    django_assert_max_num_queries: Any,
) -> None:
    counts = []
    for size in (1, 8):
        answer(console, ask(console, *(make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(size))))
        operation = BulkOperation.objects.all()[0]
        counts.append(count_queries(lambda path=f"/console/bulk/{operation.pk}/": console.get(path)))  # type: ignore[misc]
    assert counts[0] == counts[1]
    with django_assert_max_num_queries(5):
        console.get("/console/bulk/")


def test_the_rest_is_cancelled_from_the_page(console: Client, operation: BulkOperation) -> None:
    answered = console.post(f"/console/bulk/{operation.pk}/cancel/", follow=True)
    page = answered.content.decode()
    assert "Cancelled. 4 of 4 batches were left alone." in page
    assert "Left alone" in page
    finished(operation)
    assert Batch.objects.get(status=BatchStatus.CANCELLING).remark == "Over"
    assert console.post(f"/console/bulk/{operation.pk}/cancel/").status_code == 302


def test_cancelling_what_has_ended_is_said_to_be_too_late(console: Client, operation: BulkOperation) -> None:
    finished(operation)
    page = console.post(f"/console/bulk/{operation.pk}/cancel/", follow=True).content.decode()
    assert "has come to its end already" in page


def test_what_failed_is_tried_again_as_an_operation_of_its_own(
    console: Client, make_batch: MakeBatch, settings: Settings
) -> None:
    over = make_batch(failed=1)
    settings.PROJECT_MAX_OPEN_BATCHES = 0
    answer(console, ask(console, over, act="retry"))
    operation = finished(BulkOperation.objects.get())
    address = f"/console/bulk/{operation.pk}/"
    page = console.get(address).content.decode()
    assert "Retry the one that failed" in page
    token = re.findall(r'name="token" value="([^"]+)"', page)[0]
    settings.PROJECT_MAX_OPEN_BATCHES = 1
    for _ in range(2):
        answered = console.post(f"{address}retry/", {"token": token})
    second = BulkOperation.objects.get(retry_of=operation)
    assert answered.headers["Location"] == f"/console/bulk/{second.pk}/"
    assert finished(second).done == 1
    page = console.get(f"/console/bulk/{second.pk}/").content.decode()
    assert "What failed in" in page
    assert f"/console/bulk/{second.pk}/" in console.get(address).content.decode()
    assert console.post(f"{address}retry/", {"token": "x"}, follow=True).status_code == 200


def test_outcomes_are_exported_as_cells_that_no_spreadsheet_runs(
    console: Client, operation: BulkOperation, make_batch: MakeBatch
) -> None:
    Batch.objects.filter(remark="Over").update(remark='=HYPERLINK("http://evil")')
    finished(operation)
    answered = console.get(f"/console/bulk/{operation.pk}/outcomes.csv")
    assert answered.streaming
    rows = list(csv.DictReader(io.StringIO(answered.getvalue().decode("utf-8-sig"))))
    assert [row["outcome"] for row in rows] == ["done", "done", "done", "skipped"]
    assert (rows[3]["remark"], rows[3]["note"]) == ('\'=HYPERLINK("http://evil")', "Being cancelled already.")
    assert rows[0]["ended_at"].endswith("Z")


def test_who_has_left_a_project_sees_no_more_of_its_batches(member: SignIn, running: list[Batch]) -> None:
    ada = member(Role.OPERATOR)
    answer(ada, ask(ada, running[0]))
    operation = finished(BulkOperation.objects.get())
    Membership.objects.update(project=Project.objects.create(slug="other", name="Other"))
    page = ada.get(f"/console/bulk/{operation.pk}/").content.decode()
    assert "Number 0" not in page
    assert "They belong to projects that you do not see." in page
    assert b"Number 0" not in ada.get(f"/console/bulk/{operation.pk}/outcomes.csv").getvalue()


def test_texts_of_strangers_are_shown_and_not_obeyed(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, remark="<script>alert(1)</script>\u202e", pending=1)
    form = ask(console, batch)
    answer(console, form, reason="<b>bold</b>\u202egnp.exe")
    operation = BulkOperation.objects.get()
    for page in (
        form["page"],
        *(console.get(path).content.decode() for path in ("/console/bulk/", f"/console/bulk/{operation.pk}/")),
    ):
        assert "<script>alert" not in page
        assert "<b>bold" not in page
        assert "\u202e" not in page
