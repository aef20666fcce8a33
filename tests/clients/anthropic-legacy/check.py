"""Checks a portal with an old release of the `anthropic` package: `check.py BASE_URL KEY`.

Runs in an environment of its own (requirements.lock), against a portal whose worker runs and has the simulator. That
release sends its key as x-api-key, and its beta namespace sends ?beta=true besides.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import anthropic

PATIENCE = 60.0  # seconds


def request(custom_id: str, **extra: Any) -> Any:
    messages = [{"role": "user", "content": "two plus two?"}]
    return {"custom_id": custom_id, "params": {"model": "m-small", "max_tokens": 64, "messages": messages, **extra}}


def ended(batches: Any, batch_id: str) -> Any:
    """The batch, once it has ended."""
    deadline = time.monotonic() + PATIENCE
    while (batch := batches.retrieve(batch_id)).processing_status != "ended":
        assert time.monotonic() < deadline, batch
        time.sleep(0.1)
    return batch


def check_refused(call: Callable[[], object], status: type[anthropic.APIStatusError], word: str) -> None:
    """The call is refused with this status, and with this word of the contract."""
    try:
        call()
    except status as refusal:
        said: Any = refusal.body
    else:
        raise AssertionError(f"not refused as {word}")
    assert said["error"]["type"] == word, said


def check_from_creation_to_deletion(batches: Any) -> None:
    batch = batches.create(requests=[request("good"), request("bad", simulate={"status": 400})])
    assert batch.id.startswith("msgbatch_")
    assert batch.request_counts.processing == 2
    counts = ended(batches, batch.id).request_counts
    assert (counts.processing, counts.succeeded, counts.errored) == (0, 1, 1)
    results = {line.custom_id: line.result for line in batches.results(batch.id)}
    assert results["good"].message.content[0].text == "Simulated answer to: two plus two?"
    assert results["bad"].error.error.type == "invalid_request_error"
    assert batches.cancel(batch.id).processing_status == "ended"
    assert batches.delete(batch.id).id == batch.id
    check_refused(lambda: batches.retrieve(batch.id), anthropic.NotFoundError, "not_found_error")


def check_cancelling(batches: Any) -> None:
    batch = batches.create(requests=[request(f"row-{number}", simulate={"latency_ms": 60_000}) for number in range(3)])
    check_refused(lambda: batches.delete(batch.id), anthropic.BadRequestError, "invalid_request_error")
    assert batches.cancel(batch.id).processing_status == "canceling"
    counts = ended(batches, batch.id).request_counts
    assert counts.canceled == 3, counts
    assert {line.result.type for line in batches.results(batch.id)} == {"canceled"}


def check_lists(batches: Any) -> None:
    ids = [batches.create(requests=[request("a")]).id for _ in range(3)][::-1]
    assert [batch.id for batch in batches.list(limit=1)][:3] == ids
    assert [batch.id for batch in batches.list(limit=1, before_id=ids[2])][:2] == [ids[1], ids[0]]


def check_models(client: anthropic.Anthropic) -> None:
    assert [model.id for model in client.models.list(limit=1)] == ["any"]
    assert client.models.retrieve("simulator/any").display_name == "any"
    check_refused(lambda: client.models.retrieve("nothing"), anthropic.NotFoundError, "not_found_error")


def main(base_url: str, key: str) -> None:
    """Raises AssertionError for the first thing that is not as the contract has it."""
    major = int(anthropic.__version__.partition(".")[0])
    assert major < 2, f"{anthropic.__version__} is no old release"
    client = anthropic.Anthropic(base_url=base_url, api_key=key, max_retries=0, _strict_response_validation=True)
    assert set(client.auth_headers) == {"X-Api-Key"}
    check_models(client)
    for namespace in (client.messages.batches, client.beta.messages.batches):
        check_from_creation_to_deletion(namespace)
        check_cancelling(namespace)
        check_lists(namespace)
    stranger = anthropic.Anthropic(base_url=base_url, api_key="wrong", max_retries=0)
    check_refused(stranger.messages.batches.list, anthropic.AuthenticationError, "authentication_error")


if __name__ == "__main__":
    main(*sys.argv[1:])
