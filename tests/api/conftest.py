"""A client of the native API, without a network."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from batches.models import Membership, Project, Role
from providers.models import Provider
from tests.console.conftest import MakeBatch
from tests.dialects.openai.conftest import CHAT, Answer, Api

BASE = "/api/v1"


class Native(Api):
    """A client that calls the portal with a key, or with a session and its CSRF token."""

    def __init__(self, key: str | None = None, *, user: User | None = None) -> None:
        super().__init__(key)
        self.client = Client(raise_request_exception=False, enforce_csrf_checks=True)
        if user is not None:
            self.client.force_login(user)
            self.client.get("/console/batches/")  # sets the cookie with the token
            self.headers["X-CSRFToken"] = self.client.cookies["csrftoken"].value

    def call(self, method: str, path: str, **options: Any) -> Answer:
        return super().call(method, path if path.startswith("/") else f"{BASE}/{path}", **options)

    def post_form(self, path: str, form: dict[str, Any]) -> Answer:
        return super().post_form(f"{BASE}/{path}", form)

    def upload(self, content: bytes = b"{}\n", *, name: str = "jobs.jsonl", **form: Any) -> Answer:
        return self.post_form("files", form | {"file": SimpleUploadedFile(name, content)})

    def create(self, *, headers: dict[str, str] | None = None, **changes: Any) -> Answer:
        """Create a batch with one request; a change to None leaves the parameter out."""
        document = {"endpoint": CHAT, "requests": [request("a")]} | changes
        document = {name: value for name, value in document.items() if value is not None}
        return self.post("batches", document, headers=headers)

    def post(self, path: str, document: object = None, *, headers: dict[str, str] | None = None) -> Answer:
        from_json = b"" if document is None else encode(document)
        return self.call("POST", path, data=from_json, content_type="application/json", headers=headers or {})

    def batch_id(self, **changes: Any) -> str:
        return str(self.create(**changes).json["id"])


def encode(document: object) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def request(custom_id: str, **changes: Any) -> dict[str, Any]:
    """One request of a create call."""
    return {"custom_id": custom_id, "body": {"model": "m", "messages": [{"role": "user", "content": custom_id}]}} | changes


def problem(answer: Answer) -> dict[str, Any]:
    """The error of an answer. The answer must have nothing else, and must name the request."""
    assert set(answer.json) == {"error"}, answer.content
    error: dict[str, Any] = answer.json["error"]
    assert set(error) == {"code", "message", "param", "request_id"}
    assert error["code"]
    assert error["message"]
    assert error["request_id"] == answer.headers["x-request-id"]
    return error


@pytest.fixture
def native(key: str, simulator: Provider) -> Native:
    """A client with a key of `project`."""
    return Native(key)


@pytest.fixture
def stranger(other_key: str, simulator: Provider) -> Native:
    """A client with a key of `other_project`."""
    return Native(other_key)


@pytest.fixture
def nobody(db: None) -> Native:
    """A client without a key."""
    return Native()


@pytest.fixture
def signed_in(project: Project, simulator: Provider) -> Callable[..., Native]:
    """Makes a client with the session of a person who has only this role, in `project` unless another one is named."""

    def sign_in(role: Role | None, *, of: Project | None = None) -> Native:
        person = User.objects.create_user(f"{role or 'nobody'} of {of or project}")
        if role:
            Membership.objects.create(user=person, project=of or project, role=role)
        return Native(user=person)

    return sign_in


@pytest.fixture
def make_batch(project: Project, simulator: Provider) -> MakeBatch:
    return MakeBatch(project, simulator)
