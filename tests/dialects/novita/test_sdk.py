"""The unmodified `openai` package on the Novita mount, over real HTTP."""

from collections.abc import Iterator
from typing import Literal

import openai
import pytest
from openai import OpenAI

from tests.conftest import Portal, Queue
from tests.dialects.novita.conftest import line

CHAT: Literal["/v1/chat/completions"] = "/v1/chat/completions"


@pytest.fixture
def client(portal: Portal) -> Iterator[OpenAI]:
    """The SDK as Novita's users set it up. Not strict: its types know neither the statuses nor the times."""
    with OpenAI(base_url=f"{portal.url}/openai/v1", api_key=portal.key, max_retries=0) as client:
        yield client


def test_a_batch_runs_from_upload_to_results(client: OpenAI, queue: Queue) -> None:
    file = client.files.create(file=line("a") + line("b"), purpose="batch")
    assert file.to_dict()["metadata"] == {"total_requests": 2}
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="48h")  # type: ignore[arg-type]
    assert (batch.status, batch.completion_window) == ("VALIDATING", "48h")
    queue.run_until(lambda: str(client.batches.retrieve(batch.id).status) == "COMPLETED")
    ended = client.batches.retrieve(batch.id)
    assert ended.output_file_id
    assert ended.error_file_id == ""
    assert ended.request_counts is not None
    assert (ended.request_counts.total, ended.request_counts.completed) == (2, 2)
    assert [row.count('"custom_id"') for row in client.files.content(ended.output_file_id).text.splitlines()] == [1, 1]


def test_listing_files_and_batches_terminates(client: OpenAI) -> None:
    files = [client.files.create(file=line(str(number)), purpose="batch").id for number in range(3)]
    assert [file.id for file in list(client.files.list())] == files[::-1]
    assert [file.id for file in list(client.files.list(limit=1))] == files[::-1]
    made = [client.batches.create(input_file_id=name, endpoint=CHAT, completion_window="24h").id for name in files]
    assert [batch.id for batch in list(client.batches.list(limit=2))] == made[::-1]


def test_a_batch_is_cancelled_and_a_file_deleted(client: OpenAI) -> None:
    file = client.files.create(file=line(), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    assert str(client.batches.cancel(batch.id).status) == "CANCELLING"
    assert client.files.delete(file.id).deleted is True
    with pytest.raises(openai.NotFoundError) as missing:
        client.files.retrieve(file.id)
    assert missing.value.code == "not_found"
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
