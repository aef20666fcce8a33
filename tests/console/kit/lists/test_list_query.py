"""The address of the list: how it reads, what its chips say, its order and its columns."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from batches.console.kit.lists.list_query import tidied
from batches.models import Batch
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch

LIST = "/console/batches/"


@pytest.mark.parametrize(
    ("given", "tidy"),
    [
        ("text=&status=&view=all", "view=all"),
        ("status=failed&status=failed", "status=failed"),
        ("column=status&column=cost", "columns=status%2Ccost"),
        ("column=created&column=status&column=progress&column=project&column=provider&column=model", ""),
        ("sort=-created", ""),
        ("sort=created", "sort=created"),
        ("tag=team=search", "metadata.team=search"),
        ("tag=team=a=b", "metadata.team=a%3Db"),
        ("tag=team", "tag=team"),
        ("tag==x", "tag=%3Dx"),
        ("created_from=2026-11-22T10:00", "created_from=2026-11-22T10%3A00Z"),
        ("created_from=2026-11-22T10:00%2B02:00", "created_from=2026-11-22T10%3A00%2B02%3A00"),
        ("created_from=soon", "created_from=soon"),
        ("created_to=2026-02-31T10:00", "created_to=2026-02-31T10%3A00"),
        ("colour=red", "colour=red"),
    ],
)
def test_an_address_is_put_in_order_and_nothing_odd_is_dropped(given: str, tidy: str) -> None:
    assert tidied(QueryDict(given)).urlencode() == tidy
    assert tidied(QueryDict(tidy)).urlencode() == tidy


def test_what_a_form_sends_leads_to_a_clean_address(console: Client, make_batch: MakeBatch) -> None:
    make_batch()
    answer = console.get(f"{LIST}?text=&status=failed&tag=&created=&column=status&sort=-created")
    assert answer.headers["Location"] == f"{LIST}?status=failed&columns=status"


def chips(client: Client, query: str) -> list[tuple[str, str, bool, str, str]]:
    found = client.get(f"{LIST}{query}").context["chips"]
    return [(chip.label, chip.value, chip.negated, chip.without, chip.flipped) for chip in found]


def test_each_value_is_a_chip_that_can_be_dropped_and_turned_round(console: Client, make_batch: MakeBatch) -> None:
    make_batch()
    assert chips(console, "?view=active&status=failed&status=in_progress&model!=m&created=36h&after=1-" + "0" * 32) == [
        ("Status", "Failed", False, "view=active&status=in_progress&model%21=m&created=36h",
         "view=active&status=in_progress&model%21=m&created=36h&status%21=failed"),
        ("Status", "In progress", False, "view=active&status=failed&model%21=m&created=36h",
         "view=active&status=failed&model%21=m&created=36h&status%21=in_progress"),
        ("Model", "m", True, "view=active&status=failed&status=in_progress&created=36h",
         "view=active&status=failed&status=in_progress&created=36h&model=m"),
        ("Created", "Last 36h", False, "view=active&status=failed&status=in_progress&model%21=m", ""),
    ]  # fmt: skip


def test_the_panel_sends_along_what_it_does_not_ask_for(console: Client, make_batch: MakeBatch) -> None:
    make_batch()
    query = "?view=active&project=acme&model!=m&metadata.k=v&error=v1:x&status=failed&sort=deadline&saved=mine"
    carried = console.get(f"{LIST}{query}").context["carried"]
    assert carried == [
        ("view", "active"), ("project", "acme"), ("model!", "m"), ("metadata.k", "v"), ("error", "v1:x"), ("saved", "mine"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?sort=size", "The list cannot be sorted by “size”, only by created, ended, deadline, priority."),
        ("?sort=-", "The list cannot be sorted by “-”"),
        ("?columns=status,secret", "There is no column “secret”."),
        ("?sort=ended&after=x", "The address names a page that does not exist."),
    ],
)
def test_an_order_or_column_that_there_is_not_is_said(console: Client, make_batch: MakeBatch, query: str, message: str) -> None:
    make_batch(remark="Nightly run")
    page = console.get(f"{LIST}{query}").content.decode()
    assert message in page
    assert "Nightly run" not in page


def test_only_the_chosen_columns_are_shown(console: Client, make_batch: MakeBatch) -> None:
    make_batch(metadata={"team": "search"}, succeeded=1)
    page = console.get(f"{LIST}?columns=tags,priority,cost,key").content.decode()
    assert [f'<td data-label="{label}"' in page for label in ("Metadata", "Priority", "Cost", "Created by")] == [True] * 4
    assert 'data-label="Status"' not in page
    assert "?columns=tags%2Cpriority%2Ccost%2Ckey&amp;metadata.team=search" in page


@pytest.mark.parametrize("sort", ["created", "-created", "ended", "-ended", "deadline", "-deadline", "priority", "-priority"])
def test_every_order_is_paged_through_without_gap_or_repeat_both_ways(
    console: Client, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    monkeypatch.setattr("batches.console.pages.batches.batch_list.PAGE_SIZE", 3)
    now = timezone.now()
    for number in range(10):
        status = BatchStatus.COMPLETED if number % 3 else BatchStatus.IN_PROGRESS
        batch = make_batch(status, created_at=now - timedelta(minutes=number // 2), pending=int(not number % 3))
        Batch.objects.filter(pk=batch.pk).update(priority=number % 2 - 1)
    pages: list[list[Batch]] = []
    position = ""
    while True:
        context = console.get(f"{LIST}?sort={sort}{position}", follow=True).context
        pages.append([row.batch for row in context["rows"]])
        if context["page"].forward is None:
            break
        position = f"&after={context['page'].forward}"
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    assert len({batch.pk for page in pages for batch in page}) == 10

    for earlier in reversed(pages[:-1]):
        context = console.get(f"{LIST}?sort={sort}&before={context['page'].back}", follow=True).context
        assert [row.batch for row in context["rows"]] == earlier
    assert context["page"].back is None


def test_what_has_not_ended_is_first_when_the_latest_end_is(console: Client, make_batch: MakeBatch) -> None:
    make_batch(remark="Over")
    make_batch(BatchStatus.IN_PROGRESS, remark="Runs", pending=1)
    assert [row.batch.remark for row in console.get(f"{LIST}?sort=-ended").context["rows"]] == ["Runs", "Over"]
    assert [row.batch.remark for row in console.get(f"{LIST}?sort=ended").context["rows"]] == ["Over", "Runs"]


def test_the_number_of_queries_is_the_same_with_every_filter_column_and_saved_view(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    query = (
        "?project=acme&provider!=x&status!=failed&view=attention&sort=-ended&columns=status,progress,key,tags,cost,deadline"
    ).replace("&provider!=x", "")
    make_batch(BatchStatus.COMPLETED, failed=1, succeeded=1)
    console.post("/console/views/new/?status=failed", {"name": "A"})
    few = count_queries(lambda: console.get(f"{LIST}{query}"))
    for number in range(8):
        make_batch(BatchStatus.COMPLETED, failed=1, metadata={"k": str(number)})
        console.post("/console/views/new/?status=failed", {"name": f"B{number}"})
    assert count_queries(lambda: console.get(f"{LIST}{query}")) == few
    assert few <= 16


def test_the_list_can_be_asked_for_through_the_api_with_the_same_filters(console: Client, make_batch: MakeBatch) -> None:
    make_batch()
    page = console.get(f"{LIST}?status=failed&model!=m&sort=created&columns=status")
    assert page.context["list_curl"].startswith("curl 'http://testserver/api/v1/batches?status=failed&model%21=m' -H")
    assert console.get("/api/v1/batches?status=failed&model%21=m").status_code == 200


def test_what_no_index_chooses_is_not_counted(console: Client, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batches.console.pages.batches.batch_list.PAGE_SIZE", 3)
    for _ in range(4):
        make_batch(metadata={"team": "search"})
    assert console.get(f"{LIST}?status=completed&sort=ended").context["count"] == "4"
    assert console.get(f"{LIST}?metadata.team=search").context["count"] == "more than 3"
    assert console.get(f"{LIST}?metadata.team=ads").context["count"] == "0"


def test_a_negation_as_programs_spell_it_is_the_same_chip(console: Client, make_batch: MakeBatch) -> None:
    """C14"""
    make_batch()
    assert chips(console, "?not_status=failed&not_metadata.team=x") == [
        ("Status", "Failed", True, "not_metadata.team=x", "not_metadata.team=x&status=failed"),
        ("metadata.team", "x", True, "not_status=failed", "not_status=failed&metadata.team=x"),
    ]
