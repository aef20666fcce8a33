"""Acts on many provider jobs: what a preview says, and that nothing else is touched."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from batches.models import AuditEntry, Batch, Membership, Project, ProviderJob, Role
from batches.rules.execution import JobState, Recall
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch, SignIn
from tests.console.jobs import make_job

ACT = "/console/jobs/act/"


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, pending=3)


def preview(client: Client, **data: Any) -> HttpResponse:
    return client.post(ACT, {"back": "/console/jobs/?view=open", **data})  # type: ignore[return-value]


def order(client: Client, shown: HttpResponse, **data: Any) -> HttpResponse:
    """Answer the question of a preview."""
    fields = ("confirmed", "act", "before", "back", "scope", "query", "job")
    text = shown.content.decode()
    sent = {name: value for name in fields if (value := _values(text, name))}
    return client.post(ACT, {**sent, "reason": "Their outage", **data})  # type: ignore[return-value]


def _values(text: str, name: str) -> list[str]:
    parts = text.partition('class="card narrow confirm"')[2].split(f'name="{name}" value="')[1:]
    return [part.partition('"')[0].replace("&amp;", "&") for part in parts]


def recalled() -> set[ProviderJob]:
    return set(ProviderJob.objects.filter(recall=Recall.PERSON))


def test_ticked_jobs_are_taken_back_after_the_preview_told_of_those_that_are_not(console: Client, batch: Batch) -> None:
    running, over, other = make_job(batch), make_job(batch, state=JobState.ENDED), make_job(batch)
    shown = preview(console, act="recall", job=[str(running.pk), str(over.pk)])
    text = shown.content.decode()
    assert "Take back: 1 provider job?" in text
    assert "<b>1</b> ended already" in text
    assert recalled() == set(), "a preview does nothing"
    answer = order(console, shown)
    assert answer.headers["Location"] == "/console/jobs/?view=open"
    assert recalled() == {running}
    assert AuditEntry.objects.get(act="recall_job").reason == "Their outage"
    assert other not in recalled()


def test_all_that_match_are_taken_back_but_none_that_came_later(console: Client, batch: Batch) -> None:
    matching = {make_job(batch) for _ in range(3)}
    make_job(batch, state=JobState.UNCERTAIN)
    shown = preview(console, act="recall", scope="matching", query="state=running")
    make_job(batch)
    order(console, shown)
    assert recalled() == matching
    assert order(console, shown).status_code == 302
    assert recalled() == matching, "a second click finds nothing left to do"


def test_a_filter_that_is_not_understood_touches_nothing(console: Client, batch: Batch) -> None:
    make_job(batch)
    for data in ({"scope": "matching", "query": "state=lost"}, {"scope": "selected"}, {"scope": "matching", "before": "soon"}):
        answer = console.post(ACT, {"act": "recall", "confirmed": "1", "reason": "r", **data}, follow=True)
        assert "note error" in answer.content.decode(), data
    assert recalled() == set()


def test_a_reason_is_required_and_many_jobs_need_their_number(console: Client, batch: Batch, settings: Settings) -> None:
    settings.BULK_OPERATION_TYPED_ABOVE = 1
    jobs = {make_job(batch), make_job(batch)}
    shown = preview(console, act="recall", scope="matching", query="")
    assert order(console, shown, reason="").status_code == 422
    assert order(console, shown).status_code == 422
    assert recalled() == set()
    assert order(console, shown, typed="2").status_code == 302
    assert recalled() == jobs


def test_jobs_are_looked_at_now(console: Client, batch: Batch) -> None:
    make_job(batch)
    over = make_job(batch, state=JobState.ENDED)
    shown = preview(console, act="look", scope="matching", query="")
    assert "ended, with nothing left at the provider" in shown.content.decode()
    order(console, shown, reason="They are stuck.")
    (entry,) = AuditEntry.objects.filter(act="look_at_job")
    assert entry.target_id != str(over.pk)
    assert entry.reason == "They are stuck."


def test_what_a_person_may_only_read_is_skipped(
    member: SignIn, batch: Batch, other_project: Project, make_batch: MakeBatch
) -> None:
    client = member(Role.OPERATOR)
    person = Membership.objects.get().user
    Membership.objects.create(user=person, project=other_project, role=Role.VIEWER)
    ours = make_job(batch)
    make_job(make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project))
    shown = preview(client, act="recall", scope="matching", query="")
    assert "<b>1</b> in projects where you are no operator" in shown.content.decode()
    order(client, shown)
    assert recalled() == {ours}


def test_the_way_back_leads_nowhere_else(console: Client, batch: Batch) -> None:
    make_job(batch)
    answer = preview(console, act="no-such-act", back="https://evil.example/console/jobs/")
    assert answer.headers["Location"] == "/console/jobs/"
