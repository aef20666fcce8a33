"""The audit log reads two tables as one, the newest first, and each page reads a bounded number of rows."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.filters import AuditFilter
from batches.models import AuditEntry, Batch, Event, Project
from batches.rules.actors import Actor
from batches.rules.states import Act, BatchStatus, Source
from batches.services.control.cancel import cancel
from batches.services.control.prioritise import prioritise
from batches.services.core.audit import record_act, record_refusal
from batches.services.core.transition import record
from batches.services.insight import audit_log, audit_question
from batches.services.insight.audit_log import LogPosition, audit_page, audit_records
from batches.services.insight.audit_question import LogQuestion
from batches.services.policy.quota import set_quotas
from tests.cast import TESTER, request_lines, started

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

NOW = timezone.now()
ANNA = Actor("user anna", Source.CONSOLE)


@pytest.fixture
def batch(project: Project) -> Batch:
    return started(project, request_lines(2))


def acts(question: LogQuestion, **more: Any) -> list[str]:
    return [record.act for record in audit_page(question, size=50, **more).records]


def asked(query: str, within: list[uuid.UUID] | None = None) -> LogQuestion:
    chosen = AuditFilter(QueryDict(query), now=NOW)
    assert not chosen.problems
    return LogQuestion.of(chosen, within=within)


def a_history(batch: Batch) -> None:
    """Acts in both tables, a minute apart."""
    project = batch.project
    moments = (NOW + timedelta(minutes=minute) for minute in range(1, 9))
    set_quotas(project, limits={"open_batches": 7}, actor=ANNA, now=next(moments))
    prioritise(batch, priority=5, actor=ANNA, now=next(moments), reason="Urgent")
    record_refusal("cancel_batch", actor=Actor("user eve", Source.API), now=next(moments), target=batch, project=project)
    record(batch, origin=BatchStatus.IN_PROGRESS, actor=TESTER, now=next(moments), act=Act.GUARDED, note="Too many failures")
    record_act("enable_provider", actor=TESTER, now=next(moments), target=batch.provider)
    cancel(batch, actor=ANNA, now=next(moments), note="Wrong prompt")


def test_acts_of_both_tables_come_in_the_order_of_time_and_moves_do_not(batch: Batch) -> None:
    """O15"""
    a_history(batch)
    names = ["cancel_batch", "enable_provider", "stop_by_guard", "cancel_batch", "prioritise_batch", "set_quotas"]
    assert acts(LogQuestion()) == names
    assert acts(LogQuestion(within=[batch.project_id])) == [name for name in names if name != "enable_provider"]
    assert acts(LogQuestion(within=[])) == []
    assert Event.objects.count() > 4, "moves are in the timeline"


def test_who_cancelled_and_why_is_one_record(batch: Batch) -> None:
    a_history(batch)
    found = audit_page(asked("what=cancel_batch&outcome=done"), size=5).records[0]
    assert (found.words, found.actor, found.through, found.reason) == ("Cancel batch", "user anna", "console", "Wrong prompt")
    assert (found.target, found.project, found.target_id) == (str(batch), "acme", str(batch.pk))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("who=anna", ["cancel_batch", "prioritise_batch", "set_quotas"]),
        ("who=user+anna&source=console&what=set_quotas", ["set_quotas"]),
        ("outcome=refused", ["cancel_batch"]),
        ("source=api&outcome=done", ["enable_provider", "stop_by_guard"]),
        ("what=stop_by_guard&what=set_quotas", ["stop_by_guard", "set_quotas"]),
        ("text=wrong+PROMPT", ["cancel_batch"]),
        ("text=eve", ["cancel_batch"]),
        ("text=100%25", []),
        ("project=acme", ["cancel_batch", "stop_by_guard", "cancel_batch", "prioritise_batch", "set_quotas"]),
        ("created=9999w", ["cancel_batch", "enable_provider", "stop_by_guard", "cancel_batch", "prioritise_batch", "set_quotas"]),
        ("target=nothing", []),
    ],
)
def test_filters_hold_for_both_tables(batch: Batch, query: str, found: list[str]) -> None:
    a_history(batch)
    assert acts(asked(query)) == found


def test_a_target_is_found_by_any_form_of_its_id(batch: Batch) -> None:
    a_history(batch)
    for form in (str(batch), f"msgbatch_{batch.pk.hex}", str(batch.pk)):
        assert acts(asked(f"target={form}")) == ["cancel_batch", "stop_by_guard", "cancel_batch", "prioritise_batch"]
    assert acts(asked(f"target={batch.project_id}")) == ["set_quotas"]


def test_a_span_of_time_is_exact(batch: Batch) -> None:
    a_history(batch)
    since, until = (NOW + timedelta(minutes=minute) for minute in (2, 4))
    assert acts(LogQuestion(since=since, until=until)) == ["cancel_batch", "prioritise_batch"]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_join_without_a_gap_or_a_repetition(batch: Batch, size: int) -> None:
    a_history(batch)
    found, after = [], None
    while True:
        page = audit_page(LogQuestion(), after=after, size=size)
        found += page.records
        if page.following is None:
            break
        after = LogPosition.read(str(page.following))
        assert after == page.following
    assert [record.act for record in found] == acts(LogQuestion())
    assert len({record.position for record in found}) == 6


def test_a_page_looks_through_so_many_rows_and_says_how_far(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "LOOKED_THROUGH", 2)
    a_history(batch)
    question, found, after, pages = asked("what=set_quotas"), [], None, 0
    while True:
        page = audit_page(question, after=after, size=50)
        found += [record.act for record in page.records]
        pages += 1
        if page.following is None:
            break
        assert page.looked_back_to is not None
        after = page.following
    assert (found, pages > 1) == (["set_quotas"], True)
    assert [record.act for record in audit_records(question)] == ["set_quotas"], "an export goes on to the end"


def test_the_records_of_several_projects_are_read_one_project_after_the_other(
    batch: Batch, project: Project, other_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_history(batch)
    set_quotas(other_project, limits={"open_batches": 3}, actor=ANNA, now=NOW + timedelta(minutes=2.5))
    both = [project.pk, other_project.pk]
    assert [len(part.within or ()) for part in asked("", within=both).parts] == [1, 1]
    together = acts(LogQuestion(within=both))
    assert together.count("set_quotas") == 2
    assert acts(asked("project=globex", within=both)) == ["set_quotas"]
    assert acts(asked("project=globex", within=[project.pk])) == []
    monkeypatch.setattr(audit_question, "MOST_PARTS", 1)
    assert acts(LogQuestion(within=both)) == together, "those of many projects are read at once"


@pytest.mark.parametrize("text", ["x", "1-2", "9" * 18 + "-" + "f" * 32, "1-" + "g" * 32, "-1-" + "f" * 32])
def test_a_position_that_no_page_gave_is_none(text: str) -> None:
    assert LogPosition.read(text) is None


@pytest.mark.both
@pytest.mark.parametrize(
    "query", ["", "who=anna", "project=acme", "project=acme&text=x", "what=cancel_batch", "target=batch_" + "0" * 32]
)
def test_no_table_is_read_whole(batch: Batch, query: str) -> None:
    plans = plans_of(batch, asked(query))
    assert 2 <= len(plans) <= 6
    for plan in plans:
        assert "Seq Scan on batches_event" not in plan, plan
        assert "Seq Scan on batches_auditentry" not in plan, plan
        assert "SCAN batches_event\n" not in f"{plan}\n", plan
        assert "SCAN batches_auditentry\n" not in f"{plan}\n", plan
        if "target" not in query:
            assert "TEMP B-TREE FOR ORDER BY" not in plan, plan


@pytest.mark.both
def test_the_records_of_a_few_projects_are_not_sorted(batch: Batch, other_project: Project) -> None:
    plans = plans_of(batch, LogQuestion(within=[batch.project_id, other_project.pk]))
    assert len(plans) == 4
    for plan in plans:
        assert "TEMP B-TREE FOR ORDER BY" not in plan, plan
        assert "Sort" not in plan, plan


def plans_of(batch: Batch, question: LogQuestion) -> list[str]:
    """How the database reads either table for a page of the log."""
    for number in range(40):
        record_act("set_quotas", actor=ANNA, now=NOW + timedelta(seconds=number), target=batch.project, project=batch.project)
    with CaptureQueriesContext(connection) as captured:
        audit_page(question, size=20)
    reads = [each["sql"] for each in captured if "batches_event" in each["sql"] or "batches_auditentry" in each["sql"]]
    plans = []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        for sql in reads:
            cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
            plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
    return plans


def test_entries_never_hold_a_secret(batch: Batch) -> None:
    a_history(batch)
    assert AuditEntry.objects.get(act="set_quotas").changes == {"max_open_batches": [None, 7]}
