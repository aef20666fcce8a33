"""A standby takes over the running batches of a provider that is down for long, and nothing else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Batch, EmergencyStop, Event, Project, ProviderGrant, ProviderHealth, ProviderJob, Role
from batches.rules.errors import InvalidRequest
from batches.rules.execution import Execution
from batches.rules.states import Act, BatchStatus
from batches.services.control.pause import pause
from batches.services.control.reroute import reroute
from batches.services.insight.standby_moves import standby_moves
from batches.services.upkeep import standby as standby_rule
from batches.services.upkeep.reconcile import reconcile
from batches.services.upkeep.standby import let_standbys_take_over
from providers.models import Provider, ProviderModel
from tests.cast import TESTER
from tests.console.conftest import MakeBatch, make_batch
from tests.services.bulk.cast import member_of

__all__ = ["make_batch"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def standby(simulator: Provider) -> Provider:
    found = Provider.objects.create(name="up-standby", adapter="simulator")
    Provider.objects.filter(pk=simulator.pk).update(standby=found)
    return found


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, succeeded=1, pending=2)


def down(provider: Provider, *, minutes: float = 10) -> None:
    now = timezone.now()
    state = {"breaker": "open", "breaker_until": now + timedelta(minutes=1), "updated_at": now, "concurrency": 1}
    since = now - timedelta(minutes=minutes)
    ProviderHealth.objects.update_or_create(provider=provider, model="", defaults={**state, "down_since": since})


def provider_of(batch: Batch) -> str:
    return Batch.objects.get(pk=batch.pk).provider.name


def test_a_running_batch_moves_with_a_reason_and_on_record(simulator: Provider, standby: Provider, batch: Batch) -> None:
    down(simulator)
    reconcile(now=timezone.now())
    assert provider_of(batch) == "up-standby"
    event = Event.objects.get(batch=batch, act=Act.REROUTED)
    assert (event.actor, event.source) == ("engine", "engine")
    assert event.note.startswith("From simulator to up-standby. simulator has been down since ")
    entry = AuditEntry.objects.get(act="move_to_standby")
    assert (entry.actor, entry.target, entry.project) == ("engine", "simulator", batch.project)
    assert entry.reason.startswith("1 batch moved to up-standby: simulator has been down since ")


def test_a_provider_has_time_to_come_back(simulator: Provider, standby: Provider, batch: Batch, settings: Settings) -> None:
    settings.STANDBY_AFTER_SECONDS = 300.0
    down(simulator, minutes=4.9)
    let_standbys_take_over(now=timezone.now())
    assert provider_of(batch) == "simulator"
    ProviderHealth.objects.update(down_since=timezone.now() - timedelta(minutes=9), breaker="closed", breaker_until=None)
    let_standbys_take_over(now=timezone.now())
    assert provider_of(batch) == "simulator"


def test_batches_that_cannot_be_moved_do_not_keep_the_others_from_their_turn(
    simulator: Provider, standby: Provider, batch: Batch, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [make_batch(BatchStatus.IN_PROGRESS, pending=1) for _ in range(2)]

    def stuck(one: Batch, **asked: Any) -> Batch:
        if one.pk == batch.pk:
            raise InvalidRequest("It cannot be moved.", param="provider")
        return reroute(one, **asked)

    monkeypatch.setattr(standby_rule, "reroute", stuck)
    monkeypatch.setattr(standby_rule, "AT_ONCE", 1)
    down(simulator)
    for _ in others:
        let_standbys_take_over(now=timezone.now())
    assert [provider_of(one) for one in others] == ["up-standby"] * 2
    assert AuditEntry.objects.filter(act="move_to_standby").count() == 2, "one batch at a time"


def test_a_batch_is_not_moved_back_by_the_rule(simulator: Provider, standby: Provider, batch: Batch) -> None:
    Provider.objects.filter(pk=standby.pk).update(standby=simulator)
    down(simulator)
    let_standbys_take_over(now=timezone.now())
    ProviderHealth.objects.all().delete()
    down(standby)
    let_standbys_take_over(now=timezone.now())
    assert provider_of(batch) == "up-standby"
    reroute(Batch.objects.get(pk=batch.pk), provider_name="simulator", actor=TESTER, now=timezone.now())
    down(simulator)
    ProviderHealth.objects.filter(provider=standby).delete()
    let_standbys_take_over(now=timezone.now())
    assert provider_of(batch) == "simulator", "a person decided where it goes"


def test_a_batch_that_a_person_moved_before_may_be_moved_by_the_rule(
    simulator: Provider, standby: Provider, batch: Batch
) -> None:
    other = Provider.objects.create(name="other", adapter="simulator", standby=standby)
    reroute(batch, provider_name="other", actor=TESTER, now=timezone.now())
    down(other)
    let_standbys_take_over(now=timezone.now())
    assert provider_of(batch) == "up-standby"


def _disabled(_provider: Provider, standby: Provider, _batch: Batch) -> None:
    Provider.objects.filter(pk=standby.pk).update(enabled=False)


def _down_too(_provider: Provider, standby: Provider, _batch: Batch) -> None:
    down(standby, minutes=0)


def _stopped(_provider: Provider, standby: Provider, _batch: Batch) -> None:
    stop = {"reason": "Fire.", "began_at": timezone.now(), "began_by": "user ops"}
    EmergencyStop.objects.create(what="sending", provider=standby, **stop)


def _sending_stopped(provider: Provider, _standby: Provider, _batch: Batch) -> None:
    stop = {"reason": "Fire.", "began_at": timezone.now(), "began_by": "user ops"}
    EmergencyStop.objects.create(what="sending", provider=provider, **stop)


def _project_stopped(_provider: Provider, _standby: Provider, batch: Batch) -> None:
    stop = {"reason": "Fire.", "began_at": timezone.now(), "began_by": "user ops"}
    EmergencyStop.objects.create(what="intake", project=batch.project, **stop)


def _not_granted(_provider: Provider, standby: Provider, _batch: Batch) -> None:
    Provider.objects.filter(pk=standby.pk).update(granted_to_all=False)


def _other_endpoint(_provider: Provider, _standby: Provider, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(endpoint="/v1/acme")


def _other_model(_provider: Provider, standby: Provider, _batch: Batch) -> None:
    Provider.objects.filter(pk=standby.pk).update(adapter="openai", base_url="https://host/v1")
    ProviderModel.objects.create(provider=standby, name="another")


def _paused(_provider: Provider, _standby: Provider, batch: Batch) -> None:
    pause(batch, actor=TESTER, now=timezone.now())


def _source_disabled(provider: Provider, _standby: Provider, _batch: Batch) -> None:
    Provider.objects.filter(pk=provider.pk).update(enabled=False)


def _no_standby(provider: Provider, _standby: Provider, _batch: Batch) -> None:
    Provider.objects.filter(pk=provider.pk).update(standby=None)


def _at_batch_api(provider: Provider, _standby: Provider, batch: Batch) -> None:
    batch.slices.update(provider_job=a_job(batch, provider))


def _delegated(_provider: Provider, _standby: Provider, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(execution=Execution.DELEGATED)


def _not_taken_back(_provider: Provider, _standby: Provider, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(execution=Execution.HYBRID)


def a_job(batch: Batch, provider: Provider) -> ProviderJob:
    now = timezone.now()
    times = {"created_at": now, "updated_at": now}
    return ProviderJob.objects.create(batch=batch, provider=provider, marker="job", first_line=1, last_line=9, **times)


Hinder = Callable[[Provider, Provider, Batch], None]


@pytest.mark.parametrize(
    "hinder",
    [
        _disabled,
        _down_too,
        _stopped,
        _sending_stopped,
        _project_stopped,
        _not_granted,
        _other_endpoint,
        _other_model,
        _paused,
        _source_disabled,
        _no_standby,
        _at_batch_api,
        _delegated,
        _not_taken_back,
    ],
)
def test_a_batch_stays_where_the_standby_cannot_or_a_person_does_not_want_it(
    simulator: Provider, standby: Provider, batch: Batch, hinder: Hinder
) -> None:
    down(simulator)
    hinder(simulator, standby, batch)
    let_standbys_take_over(now=timezone.now())
    assert provider_of(batch) == "simulator"
    assert not AuditEntry.objects.filter(act="move_to_standby").exists()


def test_what_is_sent_directly_of_a_hybrid_batch_moves(simulator: Provider, standby: Provider, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(execution=Execution.HYBRID, taken_back_at=timezone.now())
    down(simulator)
    let_standbys_take_over(now=timezone.now())
    assert provider_of(batch) == "up-standby"


def test_a_standby_that_lists_the_model_and_is_granted_takes_it(simulator: Provider, standby: Provider, batch: Batch) -> None:
    _other_model(simulator, standby, batch)
    _not_granted(simulator, standby, batch)
    Batch.objects.filter(pk=batch.pk).update(model="another")
    ProviderGrant.objects.create(project=batch.project, provider=standby)
    down(simulator)
    let_standbys_take_over(now=timezone.now())
    assert provider_of(batch) == "up-standby"


def test_a_reader_is_told_of_moves_in_their_own_projects(
    simulator: Provider, standby: Provider, make_batch: MakeBatch, project: Project, other_project: Project
) -> None:
    for number in range(3):
        make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project if number else project)
    down(simulator)
    let_standbys_take_over(now=timezone.now())
    simulator.refresh_from_db()
    for access, told in ((member_of(project, role=Role.VIEWER), "1 batch"), (member_of(other_project, name="bob"), "2 batches")):
        (entry,) = standby_moves(access, [simulator], now=timezone.now())
        assert entry.reason.startswith(f"{told} moved to up-standby")
