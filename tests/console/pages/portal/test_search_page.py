"""The page of the search: where it leads, what it shows to whom, and what it refuses."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchObject, Project, Role
from tests.console.conftest import MakeBatch, SignIn


def page(client: Client, text: str, **headers: str) -> str:
    answer = client.get(f"/console/search/?q={quote(text)}", headers=headers)
    assert answer.status_code == 200, answer.headers
    return answer.content.decode()


def regions(page: str) -> str:
    """The hits of a page."""
    return page.partition('<div id="found"')[2].partition("</main>")[0]


def leads_to(client: Client, text: str) -> str:
    answer = client.get(f"/console/search/?q={quote(text)}")
    assert answer.status_code == 302
    return answer.headers["Location"]


def test_every_page_has_the_search_and_the_palette(console: Client) -> None:
    found = console.get("/console/overview/").content.decode()
    assert '<form method="get" action="/console/search/" class="find" role="search"' in found
    assert '<dialog id="palette"' in found


def test_o13_an_exact_id_leads_straight_to_its_page(console: Client, make_batch: MakeBatch) -> None:
    """O13: the custom_id was lost on the way into the batch."""
    batch = make_batch(succeeded=2)
    BatchObject.objects.filter(batch=batch, line=2).update(custom_id="order 7/ä")
    assert leads_to(console, str(batch)) == f"/console/batches/{batch}/"
    assert leads_to(console, " order 7/ä ") == f"/console/batches/{batch}/lines/2/"
    assert leads_to(console, str(batch.input_file)) == f"/console/batches/{batch}/"


def test_o13_who_may_not_read_bodies_is_led_to_the_row_of_the_request(
    member: SignIn, make_batch: MakeBatch, settings: Settings
) -> None:
    """O13: the row of the custom_id is shown, and no other."""
    settings.BODIES_ROLE = "operator"
    batch = make_batch(succeeded=2)
    BatchObject.objects.filter(batch=batch, line=2).update(custom_id="order 7")
    viewer = member(Role.VIEWER)
    address = leads_to(viewer, "order 7")
    assert address == f"/console/batches/{batch}/?custom_id=order+7#objects"
    shown = viewer.get(address).content.decode()
    assert "order 7" in shown
    assert 'id="open-1"' not in shown


def test_hits_are_grouped_by_kind_with_the_reason_and_hostile_text_is_shown(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(remark="a-1 <b>\u202e", succeeded=1, metadata={"<i>": "<u>"})
    found = page(console, "a-1")
    assert [found.index(f">{heading}</h2>") for heading in ("Requests", "Batches")] == sorted(
        found.index(f">{heading}</h2>") for heading in ("Requests", "Batches")
    )
    assert f'href="/console/batches/{batch}/lines/1/"' in found
    assert '<span class="tag">custom_id</span>' in found
    assert '<span class="tag">words of the remark or the metadata</span>' in found
    assert "a-1 &lt;b&gt;⟨U+202E⟩" in found
    assert "<b>\u202e" not in found
    assert "<i>" not in found


def test_further_hits_are_a_list_away(console: Client, make_batch: MakeBatch) -> None:
    for age in range(12):
        make_batch(remark="Night", metadata={"team": "search"}, succeeded=1, created_at=timezone.now() - timedelta(hours=age))
    assert 'href="/console/batches/?metadata.team=search">See all' in page(console, "team=search")
    assert 'href="/console/batches/?text=night">See all' in page(console, "night")
    assert 'href="/console/batches/?custom_id=a-1">See all' in page(console, "a-1")


def test_the_palette_gets_the_hits_alone_and_is_never_led_away(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1)
    found = page(console, str(batch), **{"X-Requested-With": "fragment"})
    assert found.lstrip().startswith('<div id="found" data-total="1">')
    assert f'href="/console/batches/{batch}/"' in found
    assert "<html" not in found


def test_what_belongs_to_others_looks_like_nothing(member: SignIn, make_batch: MakeBatch, other_project: Project) -> None:
    batch = make_batch(remark="Confidential", succeeded=1)
    stranger, own, nothing = member(Role.ADMIN, of=other_project), str(batch), f"batch_{'0' * 32}"
    found = regions(page(stranger, own))
    assert "Nothing found" in found
    assert found == regions(page(stranger, nothing))


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("q=a&colour=red", "The search has no parameter “colour”."),
        ("q=a%00b", "A search cannot have a NUL character."),
        (f"q={'x' * 600}", "A search may have 512 characters; this one has 600."),
    ],
)
def test_what_is_not_understood_is_said(console: Client, query: str, problem: str) -> None:
    answer = console.get(f"/console/search/?{query}")
    assert answer.status_code == 200
    assert problem in answer.content.decode()


def test_without_a_text_the_page_says_what_can_be_found(console: Client) -> None:
    found = console.get("/console/search/").content.decode()
    assert "A custom_id" in found
    assert "Nothing found" not in found


def test_a_search_costs_as_many_queries_whatever_it_finds(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    def count() -> int:
        return count_queries(lambda: page(console, "a-1"))

    make_batch(succeeded=2, remark="a-1"), make_batch(succeeded=2, remark="a-1")
    few = count()
    for _ in range(3):
        make_batch(succeeded=2, remark="a-1")
    assert count() == few


def test_the_list_that_finds_nothing_offers_the_search(console: Client, make_batch: MakeBatch) -> None:
    make_batch(succeeded=1)
    found = console.get("/console/batches/?text=a-1").content.decode()
    assert 'href="/console/search/?q=a-1"' in found
    assert Batch.objects.count() == 1
