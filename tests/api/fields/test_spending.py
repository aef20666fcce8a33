"""Guards, prices, quotas and costs, as clients of the native API set and see them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from batches.models import Batch, Event, Project, Role, Slice
from batches.rules.states import BatchStatus
from batches.services.policy.quota import set_quotas
from batches.services.policy.tune import tune_model, tune_provider
from providers.models import Provider
from tests.api.conftest import Native, encode, problem, request
from tests.cast import TESTER, request_lines
from tests.console.conftest import MakeBatch

NO_GUARDS = {"max_error_rate": None, "error_sample": None, "max_cost": None, "max_tokens": None}
PRICES = {"input_price": Decimal("0.25"), "output_price": Decimal(2)}


def price(provider: Provider, model: str = "m", **settings: object) -> None:
    tune_model(provider, model, settings=settings or PRICES, actor=TESTER, now=timezone.now())


def asking(custom_id: str, **body: object) -> dict[str, Any]:
    """A request whose body has 40 bytes or a little more."""
    return request(custom_id, body={"model": "m", "messages": []} | body)


# --- Guards ------------------------------------------------------------------------------------------------------


def test_guards_are_set_with_the_batch_and_shown_on_it(native: Native, simulator: Provider) -> None:
    tune_provider(simulator, settings={"max_tokens": 500, "max_cost": Decimal(9)}, actor=TESTER, now=timezone.now())
    made = native.create(guards={"max_error_rate": 0.25, "max_cost": "12.5"}).json
    assert made["guards"] == NO_GUARDS | {"max_error_rate": 0.25, "max_cost": "12.500000"}
    in_force = {"max_error_rate": 0.25, "error_sample": 100, "max_cost": "12.500000", "max_tokens": 500}
    assert made["guards_in_force"] == in_force
    assert native.get(f"batches/{made['id']}").json["guards_in_force"] == in_force
    assert native.get("batches").json["data"][0]["guards"] == made["guards"]


def test_without_guards_a_batch_has_none(native: Native) -> None:
    for guards in (None, {}, {"max_cost": None}):
        assert native.create(guards=guards).json["guards"] == NO_GUARDS


def patch(native: Native, batch_id: str, document: object) -> Any:
    return native.call("PATCH", f"batches/{batch_id}", data=encode(document), content_type="application/json")


def test_guards_are_changed_one_by_one(native: Native) -> None:
    made = native.create(guards={"max_error_rate": 0.25, "max_tokens": 10}).json
    answer = patch(native, made["id"], {"guards": {"max_tokens": None, "max_cost": 3}})
    assert answer.status == 200
    assert answer.json["guards"] == NO_GUARDS | {"max_error_rate": 0.25, "max_cost": "3.000000"}
    assert answer.json["version"] == made["version"] + 1
    event = Event.objects.latest("created_at")
    assert (event.act, event.actor) == ("reguarded", "key tests")


@pytest.mark.parametrize(
    ("document", "code", "param"),
    [
        ({}, "missing_required_parameter", "guards"),
        ({"guards": None}, "invalid_type", "guards"),
        ({"guards": {"max_error_rate": 7}}, "invalid_value", "guards.max_error_rate"),
        ({"guards": {"priority": 7}}, "invalid_value", "guards.priority"),
        ({"guards": {}, "priority": 7}, "unknown_parameter", "priority"),
        ([], "invalid_body", None),
    ],
)
def test_a_bad_change_is_refused_by_name_and_changes_nothing(
    native: Native, document: object, code: str, param: str | None
) -> None:
    batch_id = native.batch_id()
    answer = patch(native, batch_id, document)
    assert (answer.status, problem(answer)["code"], problem(answer)["param"]) == (400, code, param)
    assert Batch.objects.get().version == 1


def test_guards_of_a_batch_that_is_over_cannot_be_changed(native: Native, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.COMPLETED, succeeded=1)
    answer = patch(native, str(batch), {"guards": {"max_tokens": 1}})
    assert (answer.status, problem(answer)["code"]) == (409, "not_running")


def test_a_foreign_batch_keeps_its_guards(native: Native, stranger: Native) -> None:
    assert patch(stranger, native.batch_id(), {"guards": {"max_tokens": 1}}).status == 404
    assert Batch.objects.get().max_tokens is None


# --- Costs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "cost", "unpriced"),
    [
        ({}, "0.000000", 0),
        ({"cost_nanos": 1_230_000}, "0.001230", 0),
        ({"cost_nanos": 1_230_000, "unpriced": 3}, "0.001230", 3),
        ({"unpriced": 3}, None, 3),
        ({"cost_nanos": 10**18}, "1000000000.000000", 0),
    ],
)
def test_a_cost_is_shown_as_far_as_it_is_known(
    native: Native, make_batch: MakeBatch, counts: dict[str, int], cost: str | None, unpriced: int
) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=3, pending=1)
    Slice.objects.filter(batch=batch).update(**counts)
    usage = native.get(f"batches/{batch}").json["usage"]
    assert (usage["cost"], usage["unpriced"], usage["currency"]) == (cost, unpriced, "USD")


# --- Estimates ---------------------------------------------------------------------------------------------------


def estimate(native: Native, *requests: dict[str, Any], **changes: Any) -> dict[str, Any]:
    answer = native.create(dry_run=True, requests=list(requests), **changes)
    assert answer.status == 200
    found: dict[str, Any] = answer.json["estimate"]
    return found


def test_an_estimate_goes_by_bytes_and_by_what_each_answer_may_have(native: Native, simulator: Provider) -> None:
    price(simulator)
    bodies = [asking("a", max_tokens=1000), asking("b", max_completion_tokens=500), asking("c", max_output_tokens=0)]
    found = estimate(native, *bodies)
    assert found["output_tokens"] == 1500
    assert found["input_tokens"] * 4 >= found["input_bytes"] > (found["input_tokens"] - 3) * 4
    cost = found["input_tokens"] * Decimal("0.00000025") + 1500 * Decimal("0.000002")
    assert found["cost"] == str(cost.quantize(Decimal("0.000001")))


@pytest.mark.parametrize(
    "requests",
    [
        [asking("a")],
        [asking("a", max_tokens=5), asking("b", model="unpriced", max_tokens=5)],
        [asking("a", max_tokens=5), asking("b", model="half", max_tokens=5)],
    ],
)
def test_what_is_not_known_is_not_nothing(native: Native, simulator: Provider, requests: list[dict[str, Any]]) -> None:
    price(simulator)
    price(simulator, "half", input_price=Decimal(1))
    found = estimate(native, *requests)
    assert found["input_tokens"] > 0
    assert found["cost"] is None


def test_an_embedding_answers_with_no_tokens(native: Native, simulator: Provider) -> None:
    price(simulator)
    found = estimate(native, asking("a", input="x" * 4000), endpoint="/v1/embeddings")
    assert (found["output_tokens"], found["cost"]) == (0, "0.000253")


def test_records_to_be_written_have_no_tokens(native: Native) -> None:
    found = estimate(native, asking("a"), endpoint="/accounting/v1/invoices")
    assert (found["input_tokens"], found["output_tokens"], found["cost"]) == (None, None, None)
    assert found["input_bytes"] > 0


def test_an_estimate_reads_a_file_and_leaves_bad_lines_out(native: Native) -> None:
    good = estimate(native, asking("a"))
    file_id = native.upload(request_lines(2) + b"nothing\n").json["id"]
    answer = native.create(dry_run=True, input_file_id=file_id, requests=None).json
    assert answer["valid"] is False
    assert 0 < answer["estimate"]["input_bytes"] < 4 * good["input_bytes"]


# --- Prices ------------------------------------------------------------------------------------------------------


def test_a_provider_shows_limits_guards_and_prices(native: Native, simulator: Provider) -> None:
    price(simulator)
    tune_provider(simulator, settings={"requests_per_minute": 60, "max_error_rate": 0.5}, actor=TESTER, now=timezone.now())
    shown = native.get("providers/simulator").json
    assert (shown["requests_per_minute"], shown["tokens_per_minute"]) == (60, None)
    assert shown["guards"] == NO_GUARDS | {"max_error_rate": 0.5}
    assert shown["currency"] == "USD"
    assert shown["models"] == [
        {
            "name": "m",
            **dict.fromkeys(("max_concurrency", "requests_per_minute", "tokens_per_minute", "cached_price")),
            "input_price": "0.250000",
            "output_price": "2.000000",
        }
    ]


# --- Quotas ------------------------------------------------------------------------------------------------------


def test_a_key_sees_the_quotas_of_its_project(native: Native, stranger: Native, project: Project) -> None:
    set_quotas(project, limits={"open_batches": 1}, actor=TESTER, now=timezone.now())
    native.create()
    shown = native.get("quotas").json
    assert shown["project"] == "acme"
    assert shown["quotas"]["open_batches"] == {"limit": 1, "used": 1}
    assert shown["quotas"]["pending_objects"] == {"limit": None, "used": 1}
    assert shown["quotas"]["stored_bytes"]["used"] > 0
    assert stranger.get("quotas").json["quotas"]["open_batches"] == {"limit": None, "used": 0}
    for slug in ("acme", "nobody", "%00"):
        answer = stranger.get(f"quotas?project={slug}")
        assert (answer.status, problem(answer)["param"]) == (400, "project")


def test_somebody_signed_in_names_the_project_of_the_quotas(signed_in: Callable[..., Native], project: Project) -> None:
    person = signed_in(Role.VIEWER)
    assert problem(person.get("quotas"))["param"] == "project"
    assert person.get("quotas?project=acme").json["project"] == "acme"


def test_a_used_up_quota_is_an_error_of_this_api_and_found_by_a_dry_run(native: Native, project: Project) -> None:
    set_quotas(project, limits={"open_batches": 0, "pending_objects": 1}, actor=TESTER, now=timezone.now())
    answer = native.create()
    assert (answer.status, problem(answer)["code"]) == (429, "insufficient_quota")
    assert answer.headers["x-should-retry"] == "false"
    dry = native.create(dry_run=True, requests=[request("a"), request("b")]).json
    assert [(found["code"], found["message"]) for found in dry["problems"]] == [
        ("insufficient_quota", "Project acme may have 0 open batches; it has 0, and this would add 1.")
    ]
    assert not Batch.objects.exists()
