"""What can be done at once to the batches of a provider, from its page."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import Batch, Project, ProviderHealth, Role
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.control.pause import pause
from batches.services.core.audit import record_act
from providers.models import Provider
from tests.console.conftest import MakeBatch, SignIn

ADDRESS = "/console/providers/simulator/"


def page(client: Client) -> str:
    answer = client.get(ADDRESS)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


@pytest.fixture
def standby(simulator: Provider) -> Provider:
    found = Provider.objects.create(name="up-standby", adapter="simulator")
    Provider.objects.filter(pk=simulator.pk).update(standby=found)
    return found


def test_o8_its_batches_are_moved_paused_and_resumed_from_its_page(
    console: Client, running: list[Batch], standby: Provider
) -> None:
    """O8: a provider in trouble had no button to test it; and its batches were moved one at a time."""
    Provider.objects.create(name="another", adapter="simulator")
    pause(running[0], actor=ENGINE, now=timezone.now())
    text = page(console)
    assert "Act on its 3 batches" in text
    assert text.index('<option value="up-standby">up-standby, standby</option>') < text.index('<option value="another">')
    assert "Pause them…" in text
    assert "Resume the 1 paused…" in text
    assert "Test now" in text
    asked = re.search(r'href="([^"]*act=pause[^"]*)"', text)
    assert asked is not None
    question = console.get(asked[1].replace("&amp;", "&")).content.decode()
    assert "Pause 2 batches?" in question
    assert f'href="{ADDRESS}"' in question


def test_an_operator_acts_on_their_own_batches_and_a_viewer_on_none(
    member: SignIn, running: list[Batch], make_batch: MakeBatch, other_project: Project
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project)
    operator = page(member(Role.OPERATOR))
    assert "Act on its 3 batches" in operator
    assert "Test now" not in operator, "a provider is not one project's"
    assert "Act on its" not in page(member(Role.VIEWER))


def test_a_provider_without_batches_offers_no_act(console: Client, simulator: Provider) -> None:
    assert "Act on its" not in page(console)


def test_its_standby_is_shown_to_those_who_may_know_it(console: Client, member: SignIn, standby: Provider) -> None:
    assert f'href="/console/providers/{standby.name}/"' in page(console)
    Provider.objects.filter(pk=standby.pk).update(granted_to_all=False)
    assert "up-standby" not in page(member(Role.OPERATOR))


@pytest.mark.parametrize("address", [ADDRESS, "/console/overview/"])
def test_what_its_standby_took_over_is_told(console: Client, make_batch: MakeBatch, standby: Provider, address: str) -> None:
    batch = make_batch()
    provider = Provider.objects.get(pk=batch.provider_id)
    told = "37 batches moved to up-standby: simulator has been down since 08:07."
    record_act("move_to_standby", actor=ENGINE, now=timezone.now(), target=provider, project=batch.project, reason=told)
    assert told in console.get(address).content.decode()


def test_the_acts_take_as_many_queries_for_many_as_for_few(
    console: Client, standby: Provider, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1)
    few = count_queries(lambda: page(console))
    for number in range(4):
        other = Provider.objects.create(name=f"more-{number}", adapter="simulator")
        ProviderHealth.objects.create(provider=other, concurrency=1, updated_at=timezone.now())
        make_batch(BatchStatus.IN_PROGRESS, pending=1)
    assert count_queries(lambda: page(console)) == few
