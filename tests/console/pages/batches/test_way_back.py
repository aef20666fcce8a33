"""O12: from a list to a batch, to a request, to its neighbours and back, each filter is kept."""

import re
from html import unescape

import pytest
from django.test import Client

from batches.models import Batch
from tests.console.conftest import MakeBatch


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    """Two requests succeeded, the next two failed alike."""
    return make_batch(remark="Night", succeeded=2, failed=2)


def follow(client: Client, address: str, words: str, *, exactly: bool = False) -> tuple[str, str]:
    """Open an address and follow the link with these words; its address and its page."""
    shown = client.get(address).content.decode()
    links = re.findall(r'<a [^>]*href="([^"]*)"[^>]*>(.*?)</a>', shown, re.DOTALL)
    texts = [(unescape(href), " ".join(re.sub(r"<[^>]*>", " ", text).split())) for href, text in links]
    found = [href for href, text in texts if (text == words if exactly else words in text)]
    assert found, f"{words} is not on {address}"
    href = found[0] if found[0].startswith("/") else address.partition("?")[0] + found[0]
    href = href.partition("#")[0]
    answer = client.get(href)
    assert answer.status_code == 200, href
    return href, answer.content.decode()


def test_o12_previous_and_next_stay_among_the_requests_that_match(console: Client, batch: Batch) -> None:
    """O12: next of a failed request was whatever came on the next line."""
    of_group, _ = follow(console, f"/console/batches/{batch}/", "2 requests", exactly=True)
    first, _ = follow(console, of_group, "a-3")
    second, shown = follow(console, first, "Next")
    assert second == f"/console/batches/{batch}/lines/4/?error=v1%3Asame"
    assert 'rel="next"' not in shown
    back, shown = follow(console, second, "Previous")
    assert back == first
    assert 'rel="prev"' not in shown
    assert "error group <b>v1:same</b>" in shown
    assert follow(console, second, "Back to their list")[0] == of_group
    assert follow(console, second, "Night")[0] == of_group


def test_o12_the_lists_filter_is_kept_down_to_a_request_and_back(console: Client, batch: Batch) -> None:
    """O12: the way back from a batch led to the list without its filter."""
    asked = "/console/batches/?text=night&status=completed&sort=ended"
    into_batch, _ = follow(console, asked, "Night")
    assert follow(console, into_batch, "Batches")[0] != asked  # the section of the console is the whole list
    failed, shown = follow(console, into_batch, "Failed")
    request, _ = follow(console, failed, "a-3")
    following, _ = follow(console, request, "Next")
    history, _ = follow(console, into_batch, "History")
    for address in (into_batch, failed, request, following, history):
        shown = console.get(address).content.decode()
        crumbs = shown.partition('class="crumbs"')[2]
        assert unescape(re.findall(r'href="([^"]*)"', crumbs)[0]) == asked
    form = shown_form(console, failed)
    assert '<input type="hidden" name="list" value="text=night&amp;status=completed&amp;sort=ended">' in form


def shown_form(client: Client, address: str) -> str:
    return client.get(address).content.decode().partition('action="#objects"')[2].partition("</form>")[0]


def test_the_rounds_and_documents_of_a_request_keep_the_filter(console: Client, batch: Batch) -> None:
    batch.batch_objects.filter(line=3).update(round=2)
    shown = console.get(f"/console/batches/{batch}/lines/3/?status=failed").content.decode()
    assert 'href="?status=failed&amp;round=1"' in shown


@pytest.mark.parametrize("query", ["colour=red", "status=lost", "status=failed&error=%00"])
def test_a_filter_that_is_not_understood_is_said_and_has_no_neighbours(console: Client, batch: Batch, query: str) -> None:
    answer = console.get(f"/console/batches/{batch}/lines/3/?{query}")
    assert answer.status_code == 200
    shown = answer.content.decode()
    assert "This filter was not understood" in shown
    assert 'rel="next"' not in shown


@pytest.mark.parametrize("query", ["//elsewhere", '"><script>', "javascript:alert(1)", "a=b#c"])
def test_the_way_back_never_leaves_the_list(console: Client, batch: Batch, query: str) -> None:
    shown = console.get(f"/console/batches/{batch}/", {"list": query}).content.decode()
    crumbs = shown.partition('class="crumbs"')[2]
    assert unescape(re.findall(r'href="([^"]*)"', crumbs)[0]).startswith("/console/batches/?")
    assert "<script>" not in crumbs
