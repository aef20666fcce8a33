"""The answers of two batches compared: how many match, which differ, and two batches that are ticked in the list."""

from collections.abc import Callable

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponseBase
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Batch, BatchResult, Project, Role
from tests.console.conftest import MakeBatch, SignIn


def address(first: Batch, second: Batch, query: str = "", page: str = "") -> str:
    return f"/console/batches/{first}/compare/{page}?with={second}&{query}"


@pytest.fixture
def two(make_batch: MakeBatch) -> tuple[Batch, Batch]:
    """Four requests that succeeded in both batches; the third got another answer."""
    first, second = (make_batch(succeeded=4, body=f'{{"id": {n}, "text": "red"}}') for n in (1, 2))
    BatchResult.objects.filter(batch=second, line=3).update(body='{"text": "blue"}')
    return first, second


def test_the_page_says_how_many_answers_match_and_which_differ(console: Client, two: tuple[Batch, Batch]) -> None:
    """O11: answers were not compared, and two different ones were "Fine in both"."""
    page = console.get(address(*two)).content.decode()
    assert "<b>75 %</b> of the answers match: 3 of 4 compared." in " ".join(page.split())
    assert "No difference in outcomes" in page
    differing = console.get(address(*two, "answers=differs"))
    assert [row.pair.custom_id for row in differing.context["rows"]] == ["a-3"]
    assert '<code class="sub">text</code>' in differing.content.decode()
    same = console.get(address(*two, "answers=same"))
    assert [row.pair.custom_id for row in same.context["rows"]] == ["a-1", "a-2", "a-4"]


def test_pairs_that_are_shown_have_their_answers_compared(console: Client, two: tuple[Batch, Batch]) -> None:
    rows = console.get(address(*two, "verdict=both_fine")).context["rows"]
    assert [row.compared.match.label for row in rows] == ["Same answer", "Same answer", "Differs", "Same answer"]
    page = console.get(address(*two, "custom_id=a-1", page="object/")).content.decode()
    assert "The answers differ only in ids, times and token counts." in page


def test_who_may_not_read_answers_is_told_that_they_are_not_compared(
    member: SignIn, two: tuple[Batch, Batch], settings: Settings
) -> None:
    settings.BODIES_ROLE, settings.AUDIT_BODY_VIEWS = "operator", True
    viewer = member(Role.VIEWER)
    page = viewer.get(address(*two, "verdict=both_fine")).content.decode()
    assert "Answers are not compared: your role may not read them." in page
    assert "Same answer" not in page
    assert "This filter was not understood" in viewer.get(address(*two, "answers=same")).content.decode()
    answer = viewer.get(address(*two, page="pairs/"))
    assert answer.headers["x-batchyard-left-out"] == "answers"
    assert not AuditEntry.objects.exists()
    member(Role.OPERATOR).get(address(*two))
    assert {entry.target for entry in AuditEntry.objects.all()} == {str(batch) for batch in two}


@pytest.mark.parametrize("query", ["", "verdict=both_fine", "answers=same"])
def test_the_page_asks_as_much_for_many_pairs_as_for_few(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int], query: str
) -> None:
    many, few = (make_batch(succeeded=70), make_batch(succeeded=70)), (make_batch(succeeded=2), make_batch(succeeded=2))
    asked = count_queries(lambda: console.get(address(*many, query)))
    assert asked == count_queries(lambda: console.get(address(*few, query))) < 22


def test_answers_that_are_in_files_are_left_to_the_download(console: Client, two: tuple[Batch, Batch]) -> None:
    Batch.objects.filter(pk=two[0].pk).update(results_pruned_at=timezone.now())
    BatchResult.objects.filter(batch=two[0]).delete()
    page = console.get(address(*two, "verdict=both_fine")).content.decode()
    assert "The portal has moved these answers to files." in page
    assert console.get(address(*two, page="pairs/")).status_code in (200, 410)


@pytest.mark.parametrize("query", ["answers=unread", "answers=x", "answers=%00"])
def test_a_match_that_is_not_understood_is_said(console: Client, two: tuple[Batch, Batch], query: str) -> None:
    assert "This filter was not understood" in console.get(address(*two, query)).content.decode()


# --- From the list ---------------------------------------------------------------------------------------------


def ticked(client: Client, *batches: Batch | str) -> HttpResponseBase:
    return client.post(
        "/console/batches/compare/", {"batch": [str(batch) for batch in batches], "back": "/console/batches/?view=all"}
    )


def test_two_ticked_batches_are_compared_the_older_one_first(console: Client, two: tuple[Batch, Batch]) -> None:
    """O11: two ticked rows could not be compared."""
    for pair in (two, two[::-1]):
        assert ticked(console, *pair).headers["Location"] == f"/console/batches/{two[0]}/compare/?with={two[1]}"
    page = console.get("/console/batches/").content.decode()
    assert 'formaction="/console/batches/compare/"' in page


def test_fewer_or_more_than_two_lead_back_with_a_sentence(
    console: Client, make_batch: MakeBatch, two: tuple[Batch, Batch]
) -> None:
    for chosen, words in (
        ((), "0 are ticked"),
        (two[:1], "1 is ticked"),
        ((*two, make_batch()), "3 are ticked"),
        ((two[0], "nonsense", "\x00"), "1 is ticked"),
    ):
        answer = ticked(console, *chosen)
        assert answer.headers["Location"] == "/console/batches/?view=all"
        assert words in str(list(get_messages(answer.wsgi_request))[-1])  # type: ignore[attr-defined]


def test_a_foreign_batch_is_not_compared(
    member: SignIn, make_batch: MakeBatch, two: tuple[Batch, Batch], other_project: Project
) -> None:
    foreign = make_batch(of=other_project)
    assert ticked(member(Role.OPERATOR), two[0], foreign).headers["Location"] == "/console/batches/?view=all"


def test_recent_batches_are_offered_where_none_is_related(console: Client, make_batch: MakeBatch) -> None:
    batch, other = make_batch(remark="One"), make_batch(remark="Other")
    answer = console.get(f"/console/batches/{batch}/compare/")
    assert [(offer.batch, offer.why) for offer in answer.context["offers"]] == [(other, "Recent")]
    assert "No related batch found. Choose a recent batch or paste an id." in answer.content.decode()
