"""Bulk operations in the console: the list, the page, and what comes of each batch."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BulkOperation, Membership, Project, Role
from batches.rules.states import BatchStatus
from batches.services.control.cancel import cancel
from tests.cast import TESTER
from tests.console.bulk import answer, ask, finished
from tests.console.conftest import MakeBatch, SignIn


@pytest.fixture
def operation(console: Client, running: list[Batch], make_batch: MakeBatch) -> BulkOperation:
    """Four batches to cancel, of which somebody else has cancelled one."""
    over = make_batch(BatchStatus.IN_PROGRESS, remark="Over", pending=1)
    answer(console, ask(console, *running, over))
    cancel(over, actor=TESTER, now=timezone.now())
    return BulkOperation.objects.get()


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
    assert "Already being cancelled." in page
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
    assert "Operation cancelled. 4 of 4 batches were not reached." in page
    assert "Not reached" in page
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
    assert "The failures of" in page
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
    assert (rows[3]["remark"], rows[3]["note"]) == ('\'=HYPERLINK("http://evil")', "Already being cancelled.")
    assert rows[0]["ended_at"].endswith("Z")


def test_who_has_left_a_project_sees_no_more_of_its_batches(member: SignIn, running: list[Batch]) -> None:
    ada = member(Role.OPERATOR)
    answer(ada, ask(ada, running[0]))
    operation = finished(BulkOperation.objects.get())
    Membership.objects.update(project=Project.objects.create(slug="other", name="Other"))
    page = ada.get(f"/console/bulk/{operation.pk}/").content.decode()
    assert "Number 0" not in page
    assert "These batches belong to projects that you cannot see." in page
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
