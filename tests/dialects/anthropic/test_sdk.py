"""The unmodified `anthropic` package, over real HTTP, with strict validation of every answer and no retries."""

from collections.abc import Iterator

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from anthropic.types.messages.batch_create_params import Request
from pytest_django import Settings

from batches.models import Batch, BatchObject, BatchResult
from tests.conftest import Portal, Queue
from tests.dialects.anthropic.conftest import ENDED, move


@pytest.fixture
def client(portal: Portal) -> Iterator[Anthropic]:
    """The SDK as a user sets it up, but strict."""
    with Anthropic(base_url=portal.url, api_key=portal.key, max_retries=0, _strict_response_validation=True) as client:
        yield client


def request(custom_id: str, *, content: str = "two plus two?", **extra: object) -> Request:
    params = {"model": "m-small", "max_tokens": 64, "messages": [{"role": "user", "content": content}], **extra}
    return {"custom_id": custom_id, "params": params}  # type: ignore[typeddict-item]


def test_a_batch_from_its_creation_to_its_results(client: Anthropic, queue: Queue) -> None:
    batches = client.messages.batches
    batch = batches.create(requests=[request("good"), request("bad", simulate={"status": 400, "message": "no"})])
    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 2)
    assert (batch.expires_at - batch.created_at).total_seconds() == 86_400
    with pytest.raises(anthropic.AnthropicError, match="results_url"):
        batches.results(batch.id)

    queue.run_until(lambda: Batch.objects.get().is_terminal)

    ended = batches.retrieve(batch.id)
    assert ended.processing_status == "ended"
    assert ended.ended_at is not None
    counts = ended.request_counts
    assert (counts.processing, counts.succeeded, counts.errored, counts.canceled, counts.expired) == (0, 1, 1, 0, 0)
    good, bad = (line.result for line in batches.results(batch.id))
    assert good.type == "succeeded"
    assert good.message.content[0].type == "text"
    assert good.message.content[0].text == "Simulated answer to: two plus two?"
    assert good.message.usage.output_tokens > 0
    assert bad.type == "errored"
    assert (bad.error.error.type, bad.error.error.message) == ("invalid_request_error", "no")


def test_results_of_all_four_types_are_told_apart(client: Anthropic, queue: Queue) -> None:
    names = ("a", "b", "c", "d")
    batch = client.messages.batches.create(
        requests=[request(name, simulate={"status": 404} if name == "b" else None) for name in names]
    )
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    for custom_id, status in (("c", "cancelled"), ("d", "expired")):
        BatchResult.objects.filter(line=BatchObject.objects.get(custom_id=custom_id).line).delete()
        BatchObject.objects.filter(custom_id=custom_id).update(status=status)
    results = {line.custom_id: line.result.type for line in client.messages.batches.results(batch.id)}
    assert results == {"a": "succeeded", "b": "errored", "c": "canceled", "d": "expired"}


def test_lines_of_every_length_survive_the_decoder(client: Anthropic) -> None:
    """It reads 64 bytes at a time, and fails where a line end of two bytes is cut in two, or where a line is blank."""
    batch = client.messages.batches.create(requests=[request("a")])
    stored = move(batch.id, *ENDED)
    names = [f"{number:03}" + "x" * number for number in range(150)]
    BatchObject.objects.bulk_create(
        BatchObject(batch=stored, line=line, custom_id=name, status="expired", settled_at=stored.ended_at)
        for line, name in enumerate(names, start=1)
    )
    assert [line.custom_id for line in client.messages.batches.results(batch.id)] == names


def test_batches_are_listed_forwards_and_backwards(client: Anthropic) -> None:
    batches = client.messages.batches
    ids = [batches.create(requests=[request("a")]).id for _ in range(5)][::-1]
    assert [batch.id for batch in batches.list()] == ids
    assert [batch.id for batch in batches.list(limit=2)] == ids
    assert [batch.id for batch in batches.list(limit=2, after_id=ids[1])] == ids[2:]
    backwards = [[batch.id for batch in page.data] for page in batches.list(limit=2, before_id=ids[4]).iter_pages()]
    assert backwards == [ids[2:4], ids[0:2]]
    with pytest.raises(anthropic.BadRequestError):
        batches.list(after_id=ids[1], before_id=ids[3])


def test_cancelling_twice_and_after_the_end(client: Anthropic, queue: Queue) -> None:
    batches = client.messages.batches
    batch = batches.create(requests=[request("a"), request("b")])
    first, second = batches.cancel(batch.id), batches.cancel(batch.id)
    assert first == second
    assert first.processing_status == "canceling"
    assert first.cancel_initiated_at is not None
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    assert batches.cancel(batch.id).processing_status == "ended"
    assert {line.result.type for line in batches.results(batch.id)} == {"canceled"}


def test_only_an_ended_batch_is_deleted(client: Anthropic) -> None:
    batches = client.messages.batches
    batch = batches.create(requests=[request("a")])
    with pytest.raises(anthropic.BadRequestError) as refused:
        batches.delete(batch.id)
    assert refused.value.type == "invalid_request_error"
    move(batch.id, *ENDED)
    deleted = batches.delete(batch.id)
    assert (deleted.id, deleted.type) == (batch.id, "message_batch_deleted")
    with pytest.raises(anthropic.NotFoundError) as missing:
        batches.retrieve(batch.id)
    assert missing.value.type == "not_found_error"
    assert (missing.value.request_id or "").startswith("req_")


def test_results_after_the_archive_say_so(client: Anthropic, settings: Settings) -> None:
    batch = client.messages.batches.create(requests=[request("a")])
    move(batch.id, *ENDED)
    settings.RESULTS_LIFETIME_SECONDS = 0.001
    archived = client.messages.batches.retrieve(batch.id)
    assert archived.archived_at is not None
    assert archived.results_url is None
    with pytest.raises(anthropic.AnthropicError, match="results_url"):
        client.messages.batches.results(batch.id)


def test_a_body_of_3_mb_is_taken_and_one_above_the_cap_is_not(client: Anthropic, settings: Settings) -> None:
    requests = [request(str(number), content="x" * 1000) for number in range(3000)]
    assert client.messages.batches.create(requests=requests).request_counts.processing == 3000
    settings.MAX_INLINE_BYTES = 2 * 1024**2
    with pytest.raises(anthropic.APIStatusError, match="request_too_large") as refused:
        client.messages.batches.create(requests=requests)
    assert refused.value.status_code == 413


def test_a_bad_custom_id_is_named_by_its_path(client: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match=r"requests\.1\.custom_id: "):
        client.messages.batches.create(requests=[request("fine"), request("not fine")])
    assert not Batch.objects.exists()


def test_an_id_with_a_slash_is_not_found(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.batches.retrieve("a/b")
    assert missing.value.type == "not_found_error"


def test_the_prefixed_base_url_works_down_to_the_results(portal: Portal, queue: Queue) -> None:
    with Anthropic(
        base_url=f"{portal.url}/anthropic", api_key=portal.key, max_retries=0, _strict_response_validation=True
    ) as client:
        batch = client.messages.batches.create(requests=[request("a")])
        queue.run_until(lambda: Batch.objects.get().is_terminal)
        url = client.messages.batches.retrieve(batch.id).results_url
        assert url == f"{portal.url}/anthropic/v1/messages/batches/{batch.id}/results"
        assert [line.result.type for line in client.messages.batches.results(batch.id)] == ["succeeded"]


def test_a_base_url_with_v1_is_told_the_right_one(portal: Portal) -> None:
    with (
        Anthropic(base_url=f"{portal.url}/v1", api_key=portal.key, max_retries=0) as client,
        pytest.raises(anthropic.NotFoundError, match=f"{portal.url}/\\."),
    ):
        client.messages.batches.list()


def test_a_wrong_key_is_an_authentication_error(portal: Portal) -> None:
    with (
        Anthropic(base_url=portal.url, api_key="wrong", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError) as refused,
    ):
        client.messages.batches.list()
    assert refused.value.type == "authentication_error"


def test_a_batch_may_name_a_callback_url(client: Anthropic) -> None:
    params: MessageCreateParamsNonStreaming = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    client.messages.batches.create(
        requests=[{"custom_id": "a", "params": params}], extra_body={"callback_url": "https://receiver.example/done"}
    )
    assert Batch.objects.get().callback_url == "https://receiver.example/done"
