"""From a bulk write to an accounting system over real HTTP, and back to the client."""

import pytest

from batches.models import Batch
from providers.models import Provider
from tests.answers import Answer, Request, refuse, say
from tests.conftest import Queue
from tests.dialects.merge.conftest import Merge, item
from tests.upstream import Upstream, upstream

__all__ = ["upstream"]


@pytest.fixture
def books(queue: Queue, upstream: Upstream) -> Provider:
    """An accounting system, every project's linked account."""
    options = {"path": "/company/7/{model}", "wrap": "model", "id_path": "model.id"}
    return Provider.objects.create(name="books", adapter="http", base_url=upstream.base_url, options=options)


def write(request: Request) -> Answer:
    """Refuse what has no customer, write everything else."""
    record = request.json["model"]
    if not record.get("customer"):
        return say(b'{"errors": [{"title": "Invalid", "detail": "customer missing"}]}', status=422)
    return say(b'{"model": {"id": "%b-1"}}' % record["customer"].encode(), status=201)


def test_each_item_is_written_once_and_answered_with_the_id_that_it_was_given(
    key: str, queue: Queue, books: Provider, upstream: Upstream
) -> None:
    upstream.behave(write)
    merge = Merge(key, account="books")
    document = {"batch_items": [item("a", customer="c1"), item("b"), item("c", customer="c3")]}
    batch_id = merge.create(document, model="sales-orders").json["batch_id"]
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    shown = merge.read(batch_id, model="sales-orders").json
    assert shown["status"] == "PARTIAL_SUCCESS"
    assert [one["response"] for one in shown["objects"]] == [
        {"merge_common_model_id": "c1-1", "error_message": None},
        {"merge_common_model_id": None, "error_message": "customer missing"},
        {"merge_common_model_id": "c3-1", "error_message": None},
    ]
    assert [request.path for request in upstream.requests] == ["/v1/company/7/sales-orders"] * 3
    assert len({request.idempotency_key for request in upstream.requests}) == 3


def test_a_rate_limit_of_the_upstream_is_waited_for(key: str, queue: Queue, books: Provider, upstream: Upstream) -> None:
    upstream.behave(write)
    upstream.answer(refuse(429, retry_after=2.5))
    merge = Merge(key, account="books")
    batch_id = merge.batch_id("a", customer="c1")
    queue.run_until(lambda: merge.read(batch_id).json["status"] == "RATE_LIMITED")
    queue.run_until(lambda: merge.read(batch_id).json["status"] == "SUCCESS")
    limited, written = upstream.requests
    assert written.at - limited.at >= 2.5
    assert written.body == limited.body
