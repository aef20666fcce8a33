"""A client of the Anthropic dialect, without a network."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import Batch
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.core.transition import transition
from providers.models import Provider
from tests.upstream import upstream

__all__ = ["upstream"]  # the fixture

BATCHES = "/v1/messages/batches"
ENDED = (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.COMPLETED)
PARAMS = {"model": "m-small", "max_tokens": 64, "messages": [{"role": "user", "content": "two plus two?"}]}


def request(custom_id: str = "row-1", **params: Any) -> dict[str, Any]:
    """One request of a batch."""
    return {"custom_id": custom_id, "params": PARAMS | params}


@dataclass(slots=True)
class Answer:
    """An answer: its status, headers and content."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> dict[str, str]:
        """The inner error of an answer that is an error in the dialect, and nothing else."""
        assert self.headers["Content-Type"] == "application/json"
        assert set(self.json) == {"type", "error", "request_id"}, self.content
        assert self.json["type"] == "error"
        assert self.json["request_id"] == self.headers["request-id"]
        error: dict[str, str] = self.json["error"]
        assert set(error) == {"type", "message"}
        assert error["message"]
        return error

    @property
    def results(self) -> dict[str, Any]:
        """The results of a stream, by custom_id."""
        lines = [json.loads(line) for line in self.content.splitlines()]
        return {line["custom_id"]: line["result"] for line in lines}


class Api:
    """Calls the portal as an SDK would, with a key in the header that the SDK's version uses."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"anthropic-version": "2026-10-21"} | headers

    def call(self, method: str, path: str, **options: Any) -> Answer:
        options["headers"] = self.headers | options.get("headers", {})
        response = self.client.generic(method, path, **options)
        content = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
        return Answer(response.status_code, dict(response.headers), content)

    def get(self, path: str = BATCHES, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str, body: bytes = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", path, data=body, content_type="application/json", headers=named)

    def create(self, *requests: object, **headers: str) -> Answer:
        """Create a batch, of one request unless told otherwise."""
        return self.post(BATCHES, json.dumps({"requests": requests or [request()]}).encode(), **headers)

    def batch_id(self, *requests: object) -> str:
        """The id of a fresh batch, which waits for validation."""
        return str(self.create(*requests).json["id"])

    def batch(self, batch_id: str) -> Any:
        answer = self.get(f"{BATCHES}/{batch_id}")
        assert answer.status == 200
        return answer.json

    def cancel(self, batch_id: str) -> Answer:
        return self.post(f"{BATCHES}/{batch_id}/cancel")

    def delete(self, batch_id: str) -> Answer:
        return self.call("DELETE", f"{BATCHES}/{batch_id}", content_type="application/json")

    def results(self, batch_id: str) -> Answer:
        return self.get(f"{BATCHES}/{batch_id}/results", headers={"Accept": "application/binary"})


@pytest.fixture
def api(key: str, simulator: Provider) -> Api:
    """A client with a key of `project`."""
    return Api({"Authorization": f"Bearer {key}"})


@pytest.fixture
def old_api(key: str, simulator: Provider) -> Api:
    """A client with the same key, as versions before 2 of the SDK send it."""
    return Api({"X-Api-Key": key, "anthropic-version": "2023-06-01"})


@pytest.fixture
def stranger(other_key: str, simulator: Provider) -> Api:
    """A client with a key of `other_project`."""
    return Api({"Authorization": f"Bearer {other_key}"})


@pytest.fixture
def nobody(db: None) -> Api:
    """A client without a key."""
    return Api({})


def stored_batch(batch_id: str) -> Batch:
    return Batch.objects.get(pk=batch_id.removeprefix("msgbatch_"))


def move(batch_id: str, *path: BatchStatus, **changes: Any) -> Batch:
    """Take the batch along the lifecycle, as the engine would."""
    batch = stored_batch(batch_id)
    for status in path:
        batch = transition(batch, status, actor=ENGINE, now=timezone.now(), **(changes if status == path[-1] else {}))
    return batch
