"""Live pages: what a poll costs, and what it brings."""

import gzip
import re
from datetime import UTC, timedelta
from typing import cast

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.console.kit.live import FACTS_HOLD, REGION
from batches.models import Batch, BatchMinute, Slice
from batches.rules.states import BatchStatus
from providers.models import Provider
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once

TWO_MINUTES = 120
IDLE_BYTES = 100_000
HEAD_BYTES = 60  # of a status line and the line ends


class Watcher:
    """A browser that polls one page as static/console/live.js does, and counts the bytes of the answers.

    Each of its polls stands for several: with the body of one of them, since no other has news, and the heads of all.
    """

    def __init__(self, client: Client, path: str, *, stands_for: int = 1) -> None:
        self.client, self.path, self.tag, self.stands_for = client, path, "", stands_for
        self.bytes = self.polls = self.unchanged = 0

    def poll(self) -> HttpResponse:
        headers = {"X-Requested-With": "fragment", "Accept-Encoding": "gzip, deflate, br"}
        if self.tag:
            headers |= {"If-None-Match": self.tag, "X-Known-Regions": self.tag}
        answer = cast("HttpResponse", self.client.get(self.path, headers=headers))
        assert answer.status_code in (200, 304)
        self.tag = answer.headers["ETag"]
        head = HEAD_BYTES + sum(len(name) + len(value) + 4 for name, value in answer.headers.items())
        self.bytes += len(answer.content) + head * self.stands_for
        self.polls += 1
        self.unchanged += answer.status_code == 304
        return answer


def regions_of(answer: HttpResponse) -> set[str]:
    """The ids of the regions in a fragment, besides the banner of stops."""
    return set(re.findall(r'^<\w+ id="([\w-]+)"', page_of(answer), re.MULTILINE)) - {"stops"}


def page_of(answer: HttpResponse) -> str:
    packed = answer.headers.get("Content-Encoding") == "gzip"
    return (gzip.decompress(answer.content) if packed else answer.content).decode()


@pytest.fixture
def large(make_batch: MakeBatch) -> Batch:
    """A running batch with a full page of requests."""
    return make_batch(BatchStatus.IN_PROGRESS, remark="Nightly", succeeded=30, failed=10, pending=20)


def settle_one(batch: Batch) -> None:
    piece = Slice.objects.get(batch=batch)
    piece.succeeded, piece.pending = piece.succeeded + 1, piece.pending - 1
    piece.save()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    return Clock(monkeypatch)


class Clock:
    """The time of the portal, which passes when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def watched(client: Client, path: str, *, clock: Clock, every: float) -> Watcher:
    """Two minutes at a page."""
    watcher = Watcher(client, path, stands_for=5)
    for _ in range(round(TWO_MINUTES / every / watcher.stands_for) + 1):
        watcher.poll()
        clock.passes(every * watcher.stands_for)
    return watcher


@pytest.mark.parametrize(
    ("path", "every"),
    [("/console/batches/{batch}/", 2), ("/console/batches/", 3), ("/console/overview/", 5), ("/console/providers/simulator/", 5)],
)
def test_two_minutes_at_an_idle_page_are_less_than_100_kb(
    console: Client, large: Batch, clock: Clock, path: str, every: float
) -> None:
    """O20: each of 54 polls of a batch's page brought 42 KB, 2.3 MB in two minutes."""
    watcher = watched(console, path.format(batch=large), clock=clock, every=every)
    assert watcher.bytes < IDLE_BYTES, (watcher.bytes, watcher.polls, watcher.unchanged)
    assert watcher.unchanged


def test_an_idle_poll_of_a_batch_asks_little(console: Client, large: Batch, clock: Clock) -> None:
    """O20: equal facts need neither the rows of the page nor its template."""
    watcher = Watcher(console, f"/console/batches/{large}/")
    watcher.poll()
    with CaptureQueriesContext(connection) as captured:
        assert watcher.poll().status_code == 304
    assert len(captured) <= 6


def test_a_poll_brings_only_the_regions_that_changed(console: Client, large: Batch, clock: Clock) -> None:
    """O20: the 50 rows of a page are not sent again because a number above them changed."""
    watcher = Watcher(console, f"/console/batches/{large}/")
    assert {"acts", "summary", "objects", "facts"} <= regions_of(watcher.poll())
    settle_one(large)
    assert regions_of(watcher.poll()) == {"summary"}
    assert watcher.poll().status_code == 304


def test_facts_are_trusted_for_a_few_seconds_only(console: Client, large: Batch, clock: Clock) -> None:
    path = f"/console/batches/{large}/"
    watcher = Watcher(console, path)
    watcher.poll()
    Provider.objects.filter(pk=large.provider_id).update(enabled=False)  # no fact of the batch itself
    clock.passes(FACTS_HOLD)
    assert "disabled" in page_of(watcher.poll())


def test_relative_times_and_tokens_alone_are_no_news(console: Client, large: Batch, clock: Clock) -> None:
    """O20: each answer has another CSRF token and other relative times, so no ETag was ever met again."""
    watcher = Watcher(console, f"/console/batches/{large}/")
    for _ in range(2):  # the second time, the batch is old enough to have a pace
        watcher.poll()
        clock.passes(FACTS_HOLD + 1)
    answer = watcher.poll()
    assert answer.status_code == 304, page_of(answer)


def test_a_tag_of_another_page_or_of_nobody_knows_no_region(console: Client, large: Batch) -> None:
    path = f"/console/batches/{large}/"
    whole = regions_of(Watcher(console, path).poll())
    for tag in ('"x"', 'W/"0000000000000000.0000000000000000"', "W/", "*" * 4000, '"' + "0" * 16 + ".0" * 9 + '"'):
        answer = console.get(path, headers={"X-Requested-With": "fragment", "If-None-Match": tag, "X-Known-Regions": tag})
        assert regions_of(cast("HttpResponse", answer)) == whole


def test_the_marks_between_regions_stay_on_the_server(console: Client, large: Batch) -> None:
    assert REGION not in page_of(Watcher(console, f"/console/batches/{large}/").poll())


def test_a_busy_page_costs_a_fraction_of_what_it_did(console: Client, large: Batch, clock: Clock) -> None:
    """O20: a request settles between any two polls, and each minute has its bar."""
    path = f"/console/batches/{large}/"
    before = len(console.get(path, headers={"X-Requested-With": "fragment"}).content)
    watcher = Watcher(console, path)
    for number in range(18):
        minute = clock.now.astimezone(UTC).replace(second=0, microsecond=0)
        BatchMinute.objects.update_or_create(batch=large, minute=minute, defaults={"succeeded": number + 1})
        Slice.objects.filter(batch=large).update(input_tokens=number)
        watcher.poll()
        clock.passes(TWO_MINUTES / 18)
    assert watcher.bytes < watcher.polls * before / 10, (watcher.bytes, watcher.polls * before)
