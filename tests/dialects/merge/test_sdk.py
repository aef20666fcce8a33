"""The unmodified `mergepythonclient` package, over real HTTP. It validates nothing, so that is done here."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.utils import timezone
from merge.client import Merge
from merge.core.api_error import ApiError
from merge.core.request_options import RequestOptions
from merge.resources.accounting import BatchObjectsResponse

from batches.models import Batch, Project
from batches.services.people.accounts import issue_token
from providers.models import Provider
from tests.cast import TESTER
from tests.conftest import Portal, Queue

ONCE = RequestOptions(max_retries=0)
MODELS = ("invoices", "expenses", "item_fulfillments", "sales_orders")


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """The connections of the SDK, which does not close those that it makes itself."""
    with httpx.Client(timeout=60, follow_redirects=True) as http:
        yield http


@pytest.fixture
def client(portal: Portal, project: Project, simulator: Provider, http: httpx.Client) -> Merge:
    """The SDK as a user sets it up."""
    _, token = issue_token(project, provider=simulator, actor=TESTER, now=timezone.now())
    return Merge(base_url=f"{portal.url}/api", api_key=portal.key, account_token=token, httpx_client=http)


def items(*ids: str, **payload: Any) -> list[Any]:
    """Items as plain objects: the SDK takes them for its own types."""
    return [{"item_id": item_id, "payload": {"memo": item_id, "total_amount": 120.5} | payload} for item_id in ids]


def checked(shown: BatchObjectsResponse, *ids: str) -> BatchObjectsResponse:
    """The answer, every field of which has the type that the SDK says it has."""
    assert isinstance(shown, BatchObjectsResponse)
    assert isinstance(shown.status, str)
    assert shown.total_count == len(shown.objects) == len(ids)
    assert [one.item_id for one in shown.objects] == list(ids)
    assert all(one.status in ("PENDING", "SUCCESS", "FAILURE") for one in shown.objects)
    return shown


@pytest.mark.parametrize("model", MODELS)
def test_records_are_written_and_read_back(client: Merge, queue: Queue, model: str) -> None:
    api = getattr(client.accounting, model)
    batch_id = api.bulk_create(batch_items=items("a", "b"), request_options=ONCE).batch_id
    assert str(uuid.UUID(batch_id)) == batch_id
    assert checked(api.bulk_retrieve(batch_id), "a", "b").status == "ENQUEUED"
    queue.run_until(lambda: api.bulk_retrieve(batch_id).status == "SUCCESS")
    for one in checked(api.bulk_retrieve(batch_id), "a", "b").objects:
        assert one.status == "SUCCESS"
        assert one.response is not None
        assert str(uuid.UUID(one.response.merge_common_model_id)) == one.response.merge_common_model_id
        assert one.response.error_message is None


def test_a_rate_limit_is_a_status_on_the_way_to_success(client: Merge, queue: Queue) -> None:
    limited = items("slow", simulate={"status": 429, "retry_after": 2.5, "times": 1})
    api = client.accounting.invoices
    batch_id = api.bulk_create(batch_items=[*items("fast"), *limited], request_options=ONCE).batch_id
    queue.run_until(lambda: api.bulk_retrieve(batch_id).status == "RATE_LIMITED")
    shown = checked(api.bulk_retrieve(batch_id), "fast", "slow")
    assert [one.status for one in shown.objects] == ["SUCCESS", "PENDING"]
    queue.run_until(lambda: api.bulk_retrieve(batch_id).status == "SUCCESS")
    assert [one.status for one in api.bulk_retrieve(batch_id).objects] == ["SUCCESS", "SUCCESS"]


def test_an_item_that_fails_says_why(client: Merge, queue: Queue) -> None:
    refused = items("bad", simulate={"status": 400, "message": "customer missing"})
    api = client.accounting.expenses
    batch_id = api.bulk_create(batch_items=[*items("good"), *refused], request_options=ONCE).batch_id
    queue.run_until(lambda: api.bulk_retrieve(batch_id).status == "PARTIAL_SUCCESS")
    good, bad = checked(api.bulk_retrieve(batch_id), "good", "bad").objects
    assert (good.status, bad.status) == ("SUCCESS", "FAILURE")
    assert bad.response is not None
    assert (bad.response.merge_common_model_id, bad.response.error_message) == (None, "customer missing")


@pytest.mark.parametrize(
    ("ids", "message"), [([f"item-{n}" for n in range(101)], "at most 100"), (["a", "b", "a"], "unique"), ([], "batch_items")]
)
def test_what_is_no_batch_is_refused_with_a_list_of_errors(client: Merge, ids: list[str], message: str) -> None:
    with pytest.raises(ApiError) as refused:
        client.accounting.invoices.bulk_create(batch_items=items(*ids))
    assert refused.value.status_code == 400
    assert message in refused.value.body["errors"][0]["detail"]
    assert refused.value.body["warnings"] == []
    assert not Batch.objects.exists()


def test_a_call_without_an_account_token_is_refused(portal: Portal, http: httpx.Client) -> None:
    client = Merge(base_url=f"{portal.url}/api", api_key=portal.key, httpx_client=http)
    with pytest.raises(ApiError) as refused:
        client.accounting.invoices.bulk_create(batch_items=items("a"))
    assert refused.value.status_code == 401
    assert "X-Account-Token" in refused.value.body["detail"]


def test_a_batch_of_another_model_or_project_is_not_found(
    client: Merge, portal: Portal, other_key: str, http: httpx.Client
) -> None:
    batch_id = client.accounting.invoices.bulk_create(batch_items=items("a"), request_options=ONCE).batch_id
    stranger = Merge(base_url=f"{portal.url}/api", api_key=other_key, account_token="simulator", httpx_client=http)
    for read in (
        client.accounting.expenses.bulk_retrieve,
        client.accounting.item_fulfillments.bulk_retrieve,
        client.accounting.sales_orders.bulk_retrieve,
        stranger.accounting.invoices.bulk_retrieve,
    ):
        with pytest.raises(ApiError) as missing:
            read(batch_id)
        assert missing.value.status_code == 404
        assert missing.value.body["detail"]


@pytest.mark.parametrize("batch_id", ["a/b", "..", "../..", "a%2Fb", "a b"])
def test_an_id_that_leads_elsewhere_is_not_found(client: Merge, batch_id: str) -> None:
    """The SDK puts it into the path as it is."""
    with pytest.raises(ApiError) as missing:
        client.accounting.invoices.bulk_retrieve(batch_id)
    assert missing.value.status_code == 404
    assert missing.value.body["detail"]


@pytest.mark.parametrize("base", ["", "/api"])
def test_both_bases_work(portal: Portal, http: httpx.Client, base: str) -> None:
    client = Merge(base_url=portal.url + base, api_key=portal.key, account_token="simulator", httpx_client=http)
    assert client.accounting.invoices.bulk_create(batch_items=items("a"), request_options=ONCE).batch_id


def test_an_idempotency_key_of_the_caller_makes_a_repeated_call_safe(client: Merge) -> None:
    options = RequestOptions(max_retries=0, additional_headers={"Idempotency-Key": "k1"})
    made = [client.accounting.invoices.bulk_create(batch_items=items("a"), request_options=options) for _ in range(2)]
    assert made[0].batch_id == made[1].batch_id
    assert Batch.objects.count() == 1


def test_a_batch_may_name_a_callback_url(client: Merge) -> None:
    more = RequestOptions(max_retries=0, additional_body_parameters={"callback_url": "https://receiver.example/done"})
    client.accounting.invoices.bulk_create(batch_items=items("a"), request_options=more)
    assert Batch.objects.get().callback_url == "https://receiver.example/done"
