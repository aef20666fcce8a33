"""A client of the Bifrost dialect, without a network."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from providers.models import Provider
from tests.dialects.openai.conftest import Answer, Api

FILES = "/bifrost/v1/files"
BATCHES = "/bifrost/v1/batches"
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def item(custom_id: object = "a", **more: Any) -> dict[str, Any]:
    """One request in OpenAI's flavour."""
    return {"custom_id": custom_id, "body": BODY} | more


def message(custom_id: object = "a", **params: Any) -> dict[str, Any]:
    """One request in Anthropic's flavour."""
    return {"custom_id": custom_id, "params": BODY | {"max_tokens": 9} | params}


class Bifrost(Api):
    """Calls the portal as a client of a gateway does."""

    def create(self, *items: object, query: str = "", **parameters: Any) -> Answer:
        """Create a batch of these items, for the simulator unless told otherwise."""
        document = {"model": "simulator/m", "requests": items or [item()]} | parameters
        return self.post(BATCHES + query, {name: value for name, value in document.items() if value is not None})

    def batch_id(self, *items: object) -> str:
        answer = self.create(*items)
        assert answer.status == 200, answer.content
        return str(answer.json["id"])

    def read(self, batch_id: str) -> Any:
        answer = self.get(f"{BATCHES}/{batch_id}?provider=simulator")
        assert answer.status == 200, answer.content
        return answer.json

    def results(self, batch_id: str, query: str = "") -> Any:
        answer = self.get(f"{BATCHES}/{batch_id}/results?provider=simulator{query}")
        assert answer.status == 200, answer.content
        assert answer.headers["Content-Type"] == "application/json"
        return answer.json

    def upload(self, content: bytes = b"{}\n", *, name: str = "jobs.jsonl", **form: Any) -> Answer:
        return self.post_form(FILES, {"purpose": "batch"} | form | {"file": SimpleUploadedFile(name, content)})


def problem(answer: Answer) -> dict[str, Any]:
    """The inner error of an answer whose body is an error in the dialect."""
    found = answer.json
    assert set(found) - {"extra_fields"} == {"is_bifrost_error", "status_code", "event_id", "type", "error"}
    assert (found["is_bifrost_error"], found["status_code"]) == (True, answer.status)
    assert found["event_id"] == answer.headers["x-request-id"]
    error: dict[str, Any] = found["error"]
    assert {"message", "type", "code"} <= set(error) <= {"message", "type", "code", "param"}
    assert all(error.values())
    return error


@pytest.fixture
def api(key: str, simulator: Provider) -> Bifrost:
    """A client with a key of `project`."""
    return Bifrost(key)
