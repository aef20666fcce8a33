"""A client of the OpenAI dialect, without a network."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from providers.models import Provider

CHAT = "/v1/chat/completions"


@dataclass(slots=True)
class Answer:
    """An answer: its status, headers and, unless it is a stream, its JSON."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> dict[str, Any]:
        """The error of an answer whose body is an error in the dialect, and nothing else."""
        assert set(self.json) == {"error"}, self.content
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        return error


class Api:
    """Calls the portal as an SDK would, with a key."""

    def __init__(self, key: str | None) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def call(self, method: str, path: str, **options: Any) -> Answer:
        options["headers"] = self.headers | options.get("headers", {})
        response = self.client.generic(method, path, **options)
        content = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
        return Answer(response.status_code, dict(response.headers), content)

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path, content_type="application/json")

    def post(self, path: str, document: object = None) -> Answer:
        """Post JSON; nothing at all for None, as SDKs do where there is no body."""
        body = b"" if document is None else json.dumps(document).encode()
        return self.post_bytes(path, body)

    def post_bytes(self, path: str, body: bytes, *, content_type: str = "application/json") -> Answer:
        return self.call("POST", path, data=body, content_type=content_type)

    def post_form(self, path: str, form: dict[str, Any]) -> Answer:
        response = self.client.post(path, form, headers=self.headers)
        return Answer(response.status_code, dict(response.headers), response.content)

    def upload(self, content: bytes = b"{}\n", *, name: str = "jobs.jsonl", **form: Any) -> Answer:
        return self.post_form("/v1/files", {"purpose": "batch"} | form | {"file": SimpleUploadedFile(name, content)})

    def file_id(self, content: bytes = b"{}\n", **form: Any) -> str:
        """The id of a fresh file."""
        return str(self.upload(content, **form).json["id"])

    def batch(self, **changes: Any) -> Answer:
        """Create a batch; a change to None leaves the parameter out."""
        parameters = {"input_file_id": None, "endpoint": CHAT, "completion_window": "24h"} | changes
        if "input_file_id" not in changes:
            parameters["input_file_id"] = self.file_id()
        return self.post("/v1/batches", {name: value for name, value in parameters.items() if value is not None})

    def batch_id(self) -> str:
        """The id of a fresh batch, which waits for validation."""
        return str(self.batch().json["id"])


@pytest.fixture
def api(key: str, simulator: Provider) -> Api:
    """A client with a key of `project`."""
    return Api(key)


@pytest.fixture
def stranger(other_key: str, simulator: Provider) -> Api:
    """A client with a key of `other_project`."""
    return Api(other_key)


@pytest.fixture
def nobody(db: None) -> Api:
    """A client without a key."""
    return Api(None)
