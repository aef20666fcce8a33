"""C5: what tells one create call from another - body, path, provider and headers - is decided alike in every dialect."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from batches.models import AccountToken, Batch, Project
from providers.models import Provider
from tests.api.conftest import Native, request
from tests.dialects.conformance import FACES, Face
from tests.dialects.openai.conftest import Answer

KEY = {"Idempotency-Key": "k"}


@pytest.fixture
def other(simulator: Provider) -> Provider:
    """A second provider that serves everything."""
    return Provider.objects.create(name="other", adapter="simulator")


def create(face: Face, document: Any, headers: Mapping[str, str], *, query: str | None = None) -> Answer:
    path = face.path() if query is None else face.batches + query
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return face.call("POST", path, data=body, content_type="application/json", headers={**KEY, **headers})


def assert_refused(face: Face, answer: Answer) -> None:
    assert answer.status == 400, answer.content
    assert "Idempotency-Key" in face.problem(answer)


WAYS = [
    ("openai", {"x-model-provider": "simulator"}, {"x-model-provider": "other"}),
    ("novita", {"x-model-provider": "simulator"}, {"x-model-provider": "other"}),
    ("anthropic", {"x-model-provider": "simulator"}, {"x-model-provider": "other"}),
    ("merge", {"X-Account-Token": "simulator"}, {"X-Account-Token": "other"}),
]


@pytest.mark.parametrize(("name", "first", "second"), WAYS)
def test_the_same_key_at_another_provider_is_refused(
    name: str, first: dict[str, str], second: dict[str, str], key: str, other: Provider
) -> None:
    face = FACES[name](key)
    document = face.document(["a"], failing=[])
    made = create(face, document, first)
    assert made.status in (200, 202)
    assert create(face, document, first).json[face.known_by] == made.json[face.known_by]
    assert_refused(face, create(face, document, second))
    assert Batch.objects.get().provider.name == "simulator"


@pytest.mark.parametrize("name", ["openai", "novita", "anthropic"])
def test_a_provider_in_the_query_is_one_in_the_header(name: str, key: str, other: Provider) -> None:
    face = FACES[name](key)
    document = face.document(["a"], failing=[])
    made = create(face, document, {}, query="?provider=other")
    assert Batch.objects.get().provider == other
    assert create(face, document, {"x-model-provider": "other"}, query="").json["id"] == made.json["id"]
    assert_refused(face, create(face, document, {}, query="?provider=simulator"))


def test_bifrost_tells_providers_apart_by_query_too(key: str, other: Provider) -> None:
    face = FACES["bifrost"](key)
    document = face.document(["a"], failing=[]) | {"model": None}
    assert create(face, document, {}, query="?provider=simulator").status == 200
    assert_refused(face, create(face, document, {}, query="?provider=other"))


def test_two_tokens_of_one_account_are_one_provider(key: str, project: Project, other: Provider) -> None:
    face = FACES["merge"](key)
    document = face.document(["a"], failing=[])
    token = AccountToken.issue(project=project, provider=other)[1]
    made = create(face, document, {"X-Account-Token": token}).json["batch_id"]
    assert create(face, document, {"X-Account-Token": "other"}).json["batch_id"] == made
    assert_refused(face, create(face, document, {"X-Account-Token": "simulator"}))


def test_without_a_key_a_retry_at_another_provider_is_another_call(key: str, other: Provider) -> None:
    face = FACES["anthropic"](key)
    document = face.document(["a"], failing=[])
    ids = [
        face.create_from(document, x_model_provider=provider, x_stainless_retry_count="1").json["id"]
        for provider in ("simulator", "simulator", "other")
    ]
    assert ids[0] == ids[1] != ids[2]


def test_the_same_key_with_other_betas_is_refused_and_their_order_means_nothing(key: str, simulator: Provider) -> None:
    face = FACES["anthropic"](key)
    document = face.document(["a"], failing=[])
    made = create(face, document, {"anthropic-beta": "b-1,a-1"}).json["id"]
    assert create(face, document, {"anthropic-beta": "a-1, b-1"}).json["id"] == made
    for headers in ({}, {"anthropic-beta": "a-1"}, {"anthropic-beta": "a-1,b-1", "anthropic-version": "2023-06-01"}):
        assert_refused(face, create(face, document, headers))


@pytest.mark.parametrize("name", FACES)
def test_white_space_between_tokens_means_nothing(name: str, key: str, simulator: Provider) -> None:
    face = FACES[name](key)
    document = face.document(["a", "b"], failing=[])
    made = create(face, document, {}).json[face.known_by]
    for spelt in (json.dumps(document, indent=3), json.dumps(document, separators=(",", ":")), json.dumps(document, indent="\t")):
        assert create(face, spelt.encode(), {}).json[face.known_by] == made
    assert_refused(face, create(face, face.document(["a", "c"], failing=[]), {}))


def test_every_mount_of_a_dialect_is_one_place(key: str, simulator: Provider) -> None:
    face = FACES["openai"](key)
    document = face.document(["a"], failing=[])
    made = create(face, document, {}).json["id"]
    body = json.dumps(document).encode()
    for path in ("/openai/batches?api-version=x", "/groq/openai/v1/batches"):
        assert face.call("POST", path, data=body, content_type="application/json", headers=KEY).json["id"] == made
    mine = FACES["anthropic"](key)
    document = mine.document(["a"], failing=[])
    made = create(mine, document, {}).json["id"]
    body = json.dumps(document).encode()
    path = "/anthropic/v1/messages/batches"
    assert mine.call("POST", path, data=body, content_type="application/json", headers=KEY).json["id"] == made


def test_in_the_native_api_options_of_the_body_and_headers_count(key: str, other: Provider) -> None:
    native = Native(key)
    asked = {"endpoint": "/v1/messages", "provider": "simulator", "requests": [request("a")]}
    made = native.create(headers=KEY, **asked)
    assert made.status == 201
    assert native.create(headers=KEY, **dict(reversed(asked.items()))).json["id"] == made.json["id"]
    changes: list[dict[str, Any]] = [
        {"provider": "other"},
        {"priority": 3},
        {"extras": {"betas": ["a-1"]}},
        {"metadata": {"a": "b"}},
    ]
    for change in changes:
        assert native.create(headers=KEY, **asked | change).json["error"]["code"] == "idempotency_key_reused"
    refused = native.create(headers={**KEY, "anthropic-beta": "a-1"}, **asked)
    assert refused.json["error"]["code"] == "idempotency_key_reused"
