"""Limits, guards and prices of providers and their models."""

from decimal import Decimal

import pytest
from django.utils import timezone

from batches.models import AuditEntry
from batches.rules.errors import InvalidRequest, NotFound
from batches.services.policy.tune import forget_model, tune_model, tune_provider
from providers.base import Usage
from providers.models import Provider, ProviderModel
from tests.cast import TESTER

MILLION = 1_000_000


def provider_set(provider: Provider, **settings: object) -> Provider:
    return tune_provider(provider, settings=settings, actor=TESTER, now=timezone.now())


def model_set(provider: Provider, name: str = "m", **settings: object) -> ProviderModel:
    return tune_model(provider, name, settings=settings, actor=TESTER, now=timezone.now())


def test_tuning_a_provider_changes_what_is_named_and_leaves_a_trace(simulator: Provider) -> None:
    provider_set(simulator, requests_per_minute=60, max_cost=Decimal("2.5"))
    provider_set(simulator, requests_per_minute=None, max_error_rate=0.5)
    found = Provider.objects.get()
    assert (found.requests_per_minute, found.max_cost, found.max_error_rate) == (None, Decimal("2.5"), 0.5)
    entry = AuditEntry.objects.latest("created_at")
    assert (entry.act, entry.target) == ("tune_provider", "simulator")
    assert entry.changes == {"requests_per_minute": [60, None], "max_error_rate": [None, 0.5]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_concurrency", 0),
        ("max_concurrency", None),
        ("requests_per_minute", 0),
        ("tokens_per_minute", -1),
        ("max_error_rate", 2.0),
        ("max_cost", Decimal("NaN")),
        ("credential_env", "HOME"),
        ("name", "other"),
    ],
)
def test_a_setting_out_of_bounds_is_refused_by_name_and_nothing_changes(simulator: Provider, name: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=name):
        provider_set(simulator, max_tokens=5, **{name: value})
    assert Provider.objects.get().max_tokens is None


def test_a_model_is_made_known_and_changed(simulator: Provider) -> None:
    model_set(simulator, input_price=Decimal("0.15"), requests_per_minute=10)
    model_set(simulator, output_price=Decimal("0.60"), requests_per_minute=None)
    model = ProviderModel.objects.get()
    assert (model.name, model.requests_per_minute) == ("m", None)
    assert model.cost_nanos(Usage(input=MILLION, output=MILLION)) == 750_000_000
    assert AuditEntry.objects.filter(act="tune_model", target="m").count() == 2


def test_a_price_that_is_unknown_is_not_nothing(simulator: Provider) -> None:
    assert model_set(simulator, input_price=Decimal(1)).cost_nanos(Usage(input=1)) is None
    assert model_set(simulator, output_price=Decimal(0)).cost_nanos(Usage(output=1)) == 0


@pytest.mark.parametrize(
    ("model", "given", "named"),
    [
        ("m", {"input_price": Decimal(-1)}, "input_price"),
        ("m", {"input_price": Decimal("0.0000001")}, "input_price"),
        ("m", {"max_concurrency": 0}, "max_concurrency"),
        ("m", {"max_cost": Decimal(1)}, "max_cost"),
        ("", {"input_price": Decimal(1)}, "name"),
        ("x" * 201, {"input_price": Decimal(1)}, "name"),
    ],
)
def test_a_model_that_cannot_be_is_refused(simulator: Provider, model: str, given: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        model_set(simulator, model, **given)
    assert not ProviderModel.objects.exists()


def test_a_model_is_forgotten_once(simulator: Provider) -> None:
    model_set(simulator)
    forget_model(simulator, "m", actor=TESTER, now=timezone.now())
    assert not ProviderModel.objects.exists()
    with pytest.raises(NotFound, match="'m'"):
        forget_model(simulator, "m", actor=TESTER, now=timezone.now())
