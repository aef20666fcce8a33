"""Moving many batches to another provider: the question in two steps, and the order."""

import html

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import Batch, BulkOperation, ProviderHealth
from batches.rules.states import BatchStatus
from providers.models import Provider
from tests.console.bulk import NEW, answer, ask, finished, question
from tests.console.conftest import MakeBatch

PROVIDER = "/console/providers/simulator/"
ALL = {"act": "reroute", "scope": "matching", "query": "provider=simulator", "back": PROVIDER}


@pytest.fixture
def standby(simulator: Provider) -> Provider:
    found = Provider.objects.create(name="up-standby", adapter="simulator")
    Provider.objects.filter(pk=simulator.pk).update(standby=found)
    return found


def test_a_move_asks_first_where_to(console: Client, running: list[Batch], standby: Provider) -> None:
    page = ask(console, *running, act="reroute")["page"]
    assert "Move the remaining requests to another provider?" in page
    assert 'name="provider" value="up-standby">Choose' in page
    assert "<b>3</b> remaining requests." in page
    assert 'name="reason"' not in page


def test_a_move_tells_how_much_and_what_may_be_billed_twice(console: Client, running: list[Batch], standby: Provider) -> None:
    page = question(console, {**ALL, "provider": "up-standby"})["page"]
    assert "Move 3 batches to up-standby?" in page
    assert "<b>3</b> remaining requests will be sent to up-standby." in page
    assert "Requests that the old provider processed without replying may run, and be billed, twice." in page


def test_batches_are_moved_from_a_providers_page_and_lead_back_there(
    console: Client, running: list[Batch], standby: Provider
) -> None:
    form = question(console, {**ALL, "provider": "up-standby"})
    answered = answer(console, form, reason="It is down")
    assert answered.headers["Location"] == PROVIDER
    told = html.unescape(console.get(PROVIDER).content.decode())
    assert "3 batches are being moved to up-standby." in told
    finished(BulkOperation.objects.get())
    assert set(Batch.objects.values_list("provider__name", flat=True)) == {"up-standby"}
    page = console.get(f"/console/bulk/{BulkOperation.objects.get().pk}/").content.decode()
    assert "Move 3 batches to up-standby" in page
    assert "1 remaining request will be sent there." in page


def test_a_target_that_is_down_itself_is_pointed_out(console: Client, running: list[Batch], standby: Provider) -> None:
    now = timezone.now()
    ProviderHealth.objects.create(provider=standby, concurrency=1, down_since=now, updated_at=now)
    page = question(console, {**ALL, "provider": "up-standby"})["page"]
    assert "up-standby is down itself: requests will wait until it answers again." in page


def test_where_no_provider_can_take_them_nothing_can_be_ordered(console: Client, make_batch: MakeBatch) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1)
    page = question(console, ALL)["page"]
    assert "No other provider can take these batches" in page
    assert "<button" not in page


@pytest.mark.parametrize("name", ["\0", "a b", "x" * 65])
def test_what_names_no_provider_is_refused(console: Client, running: list[Batch], name: str) -> None:
    answered = console.post(NEW, {**ALL, "provider": name}, follow=True)
    assert "Choose the provider to move the batches to." in answered.content.decode()
    assert not BulkOperation.objects.exists()
