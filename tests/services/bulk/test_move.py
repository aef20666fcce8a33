"""Batches of a provider are moved to another one, as one act."""

from typing import Any

import pytest
from django.utils import timezone

from batches.models import Batch, BulkAct, Project, ProviderGrant, ProviderHealth, Role
from batches.rules.errors import InvalidRequest
from batches.rules.states import BatchStatus
from batches.services.bulk.acts import Obstacle, checked_parameters
from batches.services.bulk.choice import matching
from batches.services.bulk.preview import BulkPreview, announced, preview
from batches.services.core.access import Access
from providers.models import Provider, ProviderModel
from tests.console.conftest import MakeBatch
from tests.services.bulk.cast import counts, done, member_of, ordered, outcomes

pytestmark = pytest.mark.django_db
HERE = "provider=simulator"


@pytest.fixture
def standby(simulator: Provider) -> Provider:
    found = Provider.objects.create(name="up-standby", adapter="simulator")
    Provider.objects.filter(pk=simulator.pk).update(standby=found)
    return found


def look(by: Access, *, to: str = "", query: str = HERE) -> BulkPreview:
    now = timezone.now()
    parameters = checked_parameters(BulkAct.REROUTE, provider=to) if to else {}
    return preview(matching(by, query, now=now), act=BulkAct.REROUTE, parameters=parameters, by=by, now=now)


def left(shown: BulkPreview) -> dict[str, int]:
    return {reason.obstacle: reason.count for reason in shown.left}


def several(make_batch: MakeBatch) -> list[Batch]:
    """Three batches that differ in what a provider must serve, and one that is over."""
    chat, other_endpoint, other_model, _ = (
        make_batch(BatchStatus.IN_PROGRESS, succeeded=1, pending=2),
        make_batch(BatchStatus.IN_PROGRESS, pending=1),
        make_batch(BatchStatus.IN_PROGRESS, pending=1),
        make_batch(),
    )
    Batch.objects.filter(pk=chat.pk).update(model="m")
    Batch.objects.filter(pk=other_endpoint.pk).update(endpoint="/v1/acme")
    Batch.objects.filter(pk=other_model.pk).update(model="rare")
    return [chat, other_endpoint, other_model]


def test_a_preview_names_the_targets_and_how_much_each_takes(root: Access, standby: Provider, make_batch: MakeBatch) -> None:
    several(make_batch)
    listing = Provider.objects.create(name="listing", adapter="openai", base_url="https://host/v1")
    ProviderModel.objects.create(provider=listing, name="m")
    Provider.objects.create(name="broken", adapter="simulator")
    Provider.objects.create(name="off", adapter="simulator", enabled=False)
    broken = Provider.objects.get(name="broken")
    ProviderHealth.objects.create(provider=broken, concurrency=1, down_since=timezone.now(), updated_at=timezone.now())
    shown = look(root)
    assert shown.move is not None
    found = [(each.provider.name, each.takes, each.is_standby, each.is_down) for each in shown.move.targets]
    assert found == [("up-standby", 2, True, False), ("listing", 1, False, False), ("broken", 2, False, True)]
    assert (shown.move.movable, shown.move.remaining.objects) == (3, 4)
    assert shown.asks_target
    assert not shown.can_be_ordered


def test_a_preview_tells_why_not_the_others(root: Access, make_batch: MakeBatch, project: Project) -> None:
    several(make_batch)
    listing = Provider.objects.create(name="listing", adapter="openai", base_url="https://host/v1")
    ProviderModel.objects.create(provider=listing, name="m")
    shown = look(root, to="listing")
    assert shown.eligible == 1
    assert left(shown) == {Obstacle.ENDED: 1, Obstacle.NOT_SERVED: 1, Obstacle.NOT_LISTED: 1}
    assert shown.move is not None
    assert shown.move.remaining.objects == 2
    Provider.objects.filter(pk=listing.pk).update(granted_to_all=False)
    assert left(look(root, to="listing")) == {Obstacle.ENDED: 1, Obstacle.NOT_GRANTED: 3}
    ProviderGrant.objects.create(project=project, provider=listing)
    assert look(root, to="listing").eligible == 1
    assert left(look(root, to="simulator")) == {Obstacle.ENDED: 1, Obstacle.SAME_PROVIDER: 3}


def test_what_is_counted_at_a_target_is_what_can_be_ordered_there(root: Access, make_batch: MakeBatch) -> None:
    """The targets are counted in memory, and the act asks the database: both are one rule."""
    several(make_batch)
    for name in ("plain", "listing", "granted"):
        Provider.objects.create(name=name, adapter="openai", base_url="https://host/v1", granted_to_all=name != "granted")
    for model in ("m", "rare"):
        ProviderModel.objects.create(provider=Provider.objects.get(name="listing"), name=model)
    shown = look(root)
    assert shown.move is not None
    takes = {target.provider.name: target.takes for target in shown.move.targets}
    assert takes == {"plain": 2, "listing": 2}
    for name in ("plain", "listing", "granted"):
        assert look(root, to=name).eligible == takes.get(name, 0)


def test_batches_are_moved_with_an_outcome_for_each(root: Access, standby: Provider, make_batch: MakeBatch) -> None:
    chat, other_endpoint, _ = several(make_batch)
    operation = ordered(root, [chat, other_endpoint], BulkAct.REROUTE, parameters={"provider": "up-standby"})
    assert announced(operation) == "2 batches are being moved to up-standby."
    assert counts(done(operation)) == (2, 1, 1, 0)
    assert outcomes(operation) == {
        chat.pk: ("done", "From simulator. Moved to up-standby: 2 remaining requests will be sent there."),
        other_endpoint.pk: ("skipped", "For an endpoint that this provider does not serve."),
    }
    chat.refresh_from_db()
    assert chat.provider == standby


def test_o25_each_event_names_the_operation_and_its_person(root: Access, make_batch: MakeBatch) -> None:
    """O25: a bulk cancel was told as many acts, and the batch did not link to the operation."""
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    operation = done(ordered(root, [batch]))
    event = batch.events.get(to_status=BatchStatus.CANCELLING)
    assert (event.operation, event.actor) == (operation, "user operator")


def test_a_person_is_offered_and_told_of_nothing_beyond_their_projects(
    standby: Provider, make_batch: MakeBatch, project: Project, other_project: Project
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1)
    make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project)
    foreign = Provider.objects.create(name="foreign", adapter="simulator", granted_to_all=False)
    ProviderGrant.objects.create(project=other_project, provider=foreign)
    somebody = member_of(project, role=Role.OPERATOR)
    shown = look(somebody)
    assert shown.move is not None
    assert [target.provider.name for target in shown.move.targets] == ["up-standby"]
    assert left(look(somebody, to="foreign")) == left(look(somebody, to="unheard-of")) == {Obstacle.NOT_GRANTED: 1}


@pytest.mark.parametrize("name", ["", "\0", "a b", "x" * 65])
def test_what_names_no_provider_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_parameters(BulkAct.REROUTE, provider=name)
    assert refused.value.param == "provider"


def test_a_preview_of_a_move_asks_as_much_of_many_as_of_few(
    root: Access, standby: Provider, make_batch: MakeBatch, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        make_batch(BatchStatus.IN_PROGRESS, pending=1)
        Provider.objects.create(name=f"more-{number}", adapter="simulator")
        with django_assert_max_num_queries(15):
            look(root, to="up-standby")
