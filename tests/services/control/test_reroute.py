"""Another provider, or another priority, for a batch that is not over."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from batches.models import Batch, Project, ProviderGrant
from batches.rules.errors import InvalidRequest, NoProvider
from batches.rules.states import Act
from batches.services.control.cancel import cancel
from batches.services.control.pause import pause
from batches.services.control.prioritise import give_precedence, prioritise
from batches.services.control.reroute import reroute
from batches.services.core.amend import NotRunning
from providers.models import Provider
from tests.cast import TESTER, ended, request_lines, started, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.fixture
def batch(project: Project) -> Batch:
    return started(project, request_lines(3))


@pytest.fixture
def other(batch: Batch) -> Provider:
    """A second provider, which may be used by every project."""
    return Provider.objects.create(name="other", adapter="simulator", granted_to_all=True)


def route_to(batch: Batch, name: str, reason: str = "") -> Batch:
    return reroute(batch, provider_name=name, actor=TESTER, now=timezone.now(), reason=reason)


def test_a_batch_is_routed_to_another_provider(batch: Batch, other: Provider) -> None:
    Batch.objects.filter(pk=batch.pk).update(throttled_until=timezone.now(), throttled_reason="Slow down.")
    rerouted = route_to(batch, "other", "The first is down.")
    assert rerouted.provider == other
    assert (rerouted.throttled_until, rerouted.throttled_reason) == (None, ""), "the other provider did not ask for that"
    event = rerouted.events.last()
    assert event is not None
    assert (event.act, event.note) == ("rerouted", "From simulator to other. The first is down.")


def test_a_batch_may_be_rerouted_while_it_is_validated_or_paused(project: Project, batch: Batch, other: Provider) -> None:
    assert route_to(submitted(project, request_lines(1), provider_name="simulator"), "other").provider == other
    pause(batch, actor=TESTER, now=timezone.now())
    assert route_to(batch, "other").is_paused


def test_routing_it_where_it_is_changes_nothing(batch: Batch) -> None:
    assert route_to(batch, "simulator").version == 2
    assert not batch.events.filter(act=Act.REROUTED).exists()


def test_a_provider_that_the_project_may_not_use_is_refused(batch: Batch, other: Provider, project: Project) -> None:
    Provider.objects.filter(pk=other.pk).update(granted_to_all=False)
    with pytest.raises(NoProvider, match="no provider other for this project") as refused:
        route_to(batch, "other")
    assert refused.value.param == "provider"
    ProviderGrant.objects.create(project=project, provider=other)
    assert route_to(batch, "other").provider == other


def test_a_provider_that_is_disabled_or_unknown_is_refused(batch: Batch, other: Provider) -> None:
    Provider.objects.filter(pk=other.pk).update(enabled=False)
    for name in ("other", "nobody", ""):
        with pytest.raises(NoProvider):
            route_to(batch, name)
    assert Batch.objects.get(pk=batch.pk).provider.name == "simulator"


def test_a_provider_that_does_not_serve_the_endpoint_is_refused(batch: Batch) -> None:
    Provider.objects.create(name="claude", adapter="anthropic", base_url="http://127.0.0.1:1", granted_to_all=True)
    with pytest.raises(NoProvider, match="claude does not serve /v1/chat/completions"):
        route_to(batch, "claude")


def test_a_batch_takes_another_priority(batch: Batch) -> None:
    changed = prioritise(batch, priority=50, actor=TESTER, now=timezone.now(), reason="It is urgent.")
    assert changed.priority == 50
    event = changed.events.last()
    assert event is not None
    assert (event.act, event.note) == ("reprioritised", "From 0 to 50. It is urgent.")
    again = prioritise(changed, priority=50, actor=TESTER, now=timezone.now())
    assert again.version == event.version


def test_a_batch_takes_another_place_among_all_projects(batch: Batch) -> None:
    changed = give_precedence(batch, precedence=-5, actor=TESTER, now=timezone.now())
    assert (changed.precedence, changed.priority) == (-5, 0)
    with pytest.raises(InvalidRequest) as refused:
        give_precedence(batch, precedence=101, actor=TESTER, now=timezone.now())
    assert refused.value.param == "precedence"


@pytest.mark.parametrize("priority", [-101, 101])
def test_a_priority_out_of_bounds_is_refused(batch: Batch, priority: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        prioritise(batch, priority=priority, actor=TESTER, now=timezone.now())
    assert refused.value.param == "priority"


def test_two_who_change_it_at_once_both_leave_what_they_did(batch: Batch) -> None:
    stale = Batch.objects.get(pk=batch.pk)
    prioritise(batch, priority=1, actor=TESTER, now=timezone.now())
    assert prioritise(stale, priority=2, actor=TESTER, now=timezone.now()).priority == 2
    notes = list(batch.events.filter(act=Act.REPRIORITISED).values_list("note", flat=True))
    assert notes == ["From 0 to 1.", "From 1 to 2."]


Verb = Callable[[Batch], Batch]


@pytest.mark.parametrize(
    "verb",
    [
        lambda batch: route_to(batch, "other"),
        lambda batch: prioritise(batch, priority=1, actor=TESTER, now=timezone.now()),
    ],
    ids=["reroute", "prioritise"],
)
def test_a_batch_that_is_over_or_winding_up_stays_as_it_is(batch: Batch, other: Provider, verb: Verb) -> None:
    cancel(batch, actor=TESTER, now=timezone.now())
    for standing in (batch, ended(batch)):
        with pytest.raises(NotRunning):
            verb(standing)
