"""The rules of guards, case by case, and changing those of one batch."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Counts, Event, Project
from batches.rules.errors import InvalidRequest
from batches.services.control.cancel import cancel
from batches.services.core.amend import NotRunning
from batches.services.policy.guards import GUARDS, Guards, guards_of, over_budget, set_guards, too_many_failures
from providers.models import Provider
from tests.cast import TESTER, request_lines, started

NONE = Counts()


def counted(*, succeeded: int = 0, failed: int = 0, pending: int = 1000, **more: int) -> Counts:
    return Counts(total=succeeded + failed + pending, pending=pending, succeeded=succeeded, failed=failed, **more)


@pytest.mark.parametrize(
    ("counts", "guards", "acknowledged", "sentence"),
    [
        pytest.param(counted(failed=999), Guards(), NONE, None, id="no guard"),
        pytest.param(counted(failed=99), Guards(0.2), NONE, None, id="too few yet"),
        pytest.param(
            counted(succeeded=63, failed=37),
            Guards(0.2),
            NONE,
            "37 of the first 100 requests failed (37 %, allowed 20 %).",
            id="passed at the sample",
        ),
        pytest.param(counted(succeeded=80, failed=20), Guards(0.2), NONE, None, id="just as many as allowed"),
        pytest.param(
            counted(succeeded=1200, failed=301),
            Guards(0.2),
            NONE,
            "301 of the first 1,501 requests failed (20.1 %, allowed 20 %).",
            id="passed later",
        ),
        pytest.param(
            counted(failed=1), Guards(0.0, 1), NONE, "1 of the first 1 requests failed (100 %, allowed 0 %).", id="none"
        ),
        pytest.param(counted(failed=0, succeeded=5), Guards(0.0, 1), NONE, None, id="none did"),
        pytest.param(counted(failed=500), Guards(1.0, 1), NONE, None, id="all may"),
        pytest.param(counted(), Guards(0.0, 0), NONE, None, id="nothing settled"),
        pytest.param(
            counted(succeeded=10, failed=100),
            Guards(0.2, 10),
            counted(succeeded=10, failed=91),
            None,
            id="since the resume: too few",
        ),
        pytest.param(
            counted(succeeded=18, failed=93),
            Guards(0.2, 10),
            counted(succeeded=10, failed=91),
            None,
            id="since the resume: better",
        ),
        pytest.param(
            counted(succeeded=10, failed=101),
            Guards(0.2, 10),
            counted(succeeded=10, failed=91),
            "10 of the 10 requests since it was resumed failed (100 %, allowed 20 %).",
            id="since the resume: no better",
        ),
        pytest.param(
            counted(succeeded=20, failed=0),
            Guards(0.0, 10),
            counted(succeeded=5, failed=91),
            None,
            id="failed ones were sent again",
        ),
        pytest.param(counted(pending=0, succeeded=3), Guards(0.5, 2), NONE, None, id="all well"),
    ],
)
def test_an_error_rate_stops_a_batch(counts: Counts, guards: Guards, acknowledged: Counts, sentence: str | None) -> None:
    assert too_many_failures(counts, guards, acknowledged=acknowledged) == sentence


@pytest.mark.parametrize(
    ("counts", "guards", "sentence"),
    [
        pytest.param(counted(cost_nanos=10**15, input_tokens=10**12), Guards(), None, id="no guard"),
        pytest.param(counted(cost_nanos=10**9), Guards(max_cost=Decimal(1)), None, id="just what is allowed"),
        pytest.param(
            counted(cost_nanos=1_234_500_000_001),
            Guards(max_cost=Decimal("1200.50")),
            "It has cost 1,234.500000001 USD (allowed 1,200.5 USD).",
            id="cost",
        ),
        pytest.param(
            counted(cost_nanos=2 * 10**9, unpriced=3),
            Guards(max_cost=Decimal(1)),
            "It has cost 2 USD (allowed 1 USD). The cost of 3 more requests is not known.",
            id="cost in part unknown",
        ),
        pytest.param(counted(unpriced=10**6), Guards(max_cost=Decimal(0)), None, id="unknown is not much"),
        pytest.param(counted(input_tokens=600, output_tokens=400), Guards(max_tokens=1000), None, id="just as many tokens"),
        pytest.param(
            counted(input_tokens=600, output_tokens=401, cached_tokens=600),
            Guards(max_tokens=1000),
            "It has used 1,001 tokens (allowed 1,000).",
            id="tokens",
        ),
    ],
)
def test_a_budget_stops_a_batch(counts: Counts, guards: Guards, sentence: str | None) -> None:
    assert over_budget(counts, guards) == sentence


def test_a_guard_is_the_batchs_own_else_its_providers_else_none(
    project: Project, simulator: Provider, settings: Settings
) -> None:
    settings.GUARD_SAMPLE = 7
    batch = started(project, request_lines(1))
    assert guards_of(batch) == Guards(error_sample=7)
    assert not guards_of(batch).armed
    simulator.max_error_rate, simulator.error_sample, simulator.max_tokens = 0.5, 9, 10
    batch.provider, batch.max_error_rate, batch.max_cost = simulator, 0.0, Decimal(1)
    assert guards_of(batch) == Guards(0.0, 9, Decimal(1), 10)
    assert guards_of(batch).armed


def change(batch: Batch, **guards: object) -> Batch:
    return set_guards(batch, guards=guards, actor=TESTER, now=timezone.now())


def test_changing_guards_changes_those_that_are_named_and_leaves_an_event(project: Project, simulator: Provider) -> None:
    batch = started(project, request_lines(1), guards={"max_tokens": 5})
    change(batch, max_cost=Decimal("10.50"), max_tokens=None)
    batch = Batch.objects.get()
    assert [getattr(batch, name) for name in GUARDS] == [None, None, Decimal("10.50"), None]
    event = Event.objects.latest("created_at")
    assert (event.act, event.actor, event.version) == ("reguarded", "tester", batch.version)
    assert event.note == "max_cost from none to 10.5; max_tokens from 5 to none."


def test_changing_guards_to_what_they_are_changes_nothing(project: Project, simulator: Provider) -> None:
    batch = started(project, request_lines(1), guards={"max_tokens": 5})
    version = batch.version
    assert change(batch, max_tokens=5, max_cost=None).version == version
    assert not Event.objects.filter(act="reguarded").exists()


@pytest.mark.parametrize(
    "guards",
    [{"max_error_rate": 1.1}, {"max_error_rate": -0.1}, {"max_cost": Decimal("1e9")}, {"max_tokens": -1}, {"colour": "red"}],
)
def test_a_guard_out_of_bounds_is_refused_by_name(project: Project, simulator: Provider, guards: dict[str, Any]) -> None:
    batch = started(project, request_lines(1))
    with pytest.raises(InvalidRequest, match=next(iter(guards))):
        change(batch, **guards)
    with pytest.raises(InvalidRequest, match=next(iter(guards))):
        started(project, request_lines(1), guards=guards)
    assert Batch.objects.count() == 1


def test_an_ended_batch_keeps_its_guards(project: Project, simulator: Provider) -> None:
    batch = started(project, request_lines(1))
    cancel(batch, actor=TESTER, now=timezone.now())
    with pytest.raises(NotRunning):
        change(batch, max_tokens=5)
