"""What a batch is made of, and what is refused."""

from typing import Any

import pytest

from batches.dialects.shared.endpoints import ENDPOINTS
from batches.models import Batch, Event
from providers.models import Provider
from tests.dialects.openai.conftest import Api


def test_a_batch_knows_who_made_it(api: Api) -> None:
    api.batch()
    batch = Batch.objects.get()
    assert (batch.dialect, batch.created_by) == ("openai", "key tests")
    assert batch.created_by_key is not None
    assert Event.objects.get().source == "api"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_of_the_contract_is_taken(api: Api, endpoint: str) -> None:
    assert api.batch(endpoint=endpoint).json["endpoint"] == endpoint


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"": ""},
        {str(number): "x" for number in range(16)},
        {"k" * 64: "v" * 512},
        {"ä" * 64: "🎉" * 512},
    ],
)
def test_metadata_comes_back_as_it_was_given(api: Api, metadata: dict[str, str]) -> None:
    assert api.batch(metadata=metadata).json["metadata"] == metadata


def test_what_is_null_is_as_if_it_was_not_there(api: Api) -> None:
    parameters = {"input_file_id": api.file_id(), "endpoint": "/v1/embeddings", "completion_window": "24h"}
    answer = api.post("/v1/batches", parameters | {"metadata": None, "output_expires_after": None, "provider": None})
    assert answer.status == 200
    assert answer.json["metadata"] is None


def test_the_lifetime_of_the_output_is_kept(api: Api) -> None:
    api.batch(output_expires_after={"anchor": "created_at", "seconds": 3600})
    assert Batch.objects.get().output_lifetime_seconds == 3600


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"input_file_id": None}, "input_file_id", "missing_required_parameter"),
        ({"input_file_id": ""}, "input_file_id", "invalid_value"),
        ({"input_file_id": 5}, "input_file_id", "invalid_type"),
        ({"input_file_id": ["file-1"]}, "input_file_id", "invalid_type"),
        ({"input_file_id": {"id": "x"}}, "input_file_id", "invalid_type"),
        ({"input_file_id": True}, "input_file_id", "invalid_type"),
        ({"endpoint": None}, "endpoint", "missing_required_parameter"),
        ({"endpoint": "/accounting/v1/invoices"}, "endpoint", "invalid_value"),
        ({"endpoint": "/v1/chat/completions/"}, "endpoint", "invalid_value"),
        ({"endpoint": ""}, "endpoint", "invalid_value"),
        ({"endpoint": 5}, "endpoint", "invalid_type"),
        ({"endpoint": "x" * 100_000}, "endpoint", "invalid_value"),
        ({"completion_window": None}, "completion_window", "missing_required_parameter"),
        ({"completion_window": "8d"}, "completion_window", "invalid_value"),
        ({"completion_window": 24}, "completion_window", "invalid_type"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata", "invalid_value"),
        ({"metadata": {"k" * 65: ""}}, "metadata", "invalid_value"),
        ({"metadata": {"k": "v" * 513}}, "metadata", "invalid_value"),
        ({"metadata": {"k": 5}}, "metadata", "invalid_type"),
        ({"metadata": {"k": None}}, "metadata", "invalid_type"),
        ({"metadata": {"k": ["v"]}}, "metadata", "invalid_type"),
        ({"metadata": ["k"]}, "metadata", "invalid_type"),
        ({"metadata": "k=v"}, "metadata", "invalid_type"),
        ({"metadata": {"k": "a\0b"}}, "metadata.k", "invalid_body"),
        ({"metadata": {"a\0b": "v"}}, "metadata.a␀b", "invalid_body"),
        ({"output_expires_after": 3600}, "output_expires_after", "invalid_type"),
        ({"output_expires_after": []}, "output_expires_after", "invalid_type"),
        ({"output_expires_after": {"seconds": 3600}}, "output_expires_after.anchor", "missing_required_parameter"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 3599}}, "output_expires_after.seconds", "invalid_value"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 10**30}}, "output_expires_after.seconds", "invalid_value"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": None}}, "output_expires_after.seconds", "invalid_type"),
        ({"provider": 5}, "provider", "invalid_type"),
        ({"provider": "nowhere"}, "provider", "no_provider"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(api: Api, change: dict[str, Any], param: str, code: str) -> None:
    answer = api.batch(**change)
    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)
    assert len(answer.content) < 1000, "what was sent is not sent back"
    assert not Batch.objects.exists()


def test_a_file_for_another_purpose_is_refused(api: Api) -> None:
    answer = api.batch(input_file_id=api.file_id(purpose="user_data"))
    assert (answer.status, answer.error["param"]) == (400, "input_file_id")


@pytest.mark.parametrize("identifier", ["file-" + "0" * 32, "x", "../x", "file-%2F"])
def test_an_unknown_a_foreign_and_a_deleted_file_are_all_not_found(api: Api, stranger: Api, identifier: str) -> None:
    deleted = api.file_id()
    api.delete(f"/v1/files/{deleted}")
    for file_id in (identifier, stranger.file_id(), deleted):
        answer = api.batch(input_file_id=file_id)
        assert answer.status == 404
        assert answer.error["param"] == "input_file_id"
        assert answer.error["message"].replace(file_id, "ID") == "There is no file with the id 'ID'."


def test_without_a_provider_the_refusal_names_the_endpoint(api: Api, simulator: Provider) -> None:
    Provider.objects.update(enabled=False)
    answer = api.batch(endpoint="/v1/embeddings")
    assert answer.status == 400
    assert "/v1/embeddings" in answer.error["message"]


def test_a_provider_can_be_named_in_the_body_the_query_or_a_header(api: Api, simulator: Provider) -> None:
    body = {"input_file_id": api.file_id(), "endpoint": "/v1/embeddings", "completion_window": "24h"}
    assert api.post("/v1/batches", body | {"provider": "simulator"}).status == 200
    assert api.post("/v1/batches?provider=simulator", body).status == 200
    assert api.post("/v1/batches?provider=nowhere", body).error["param"] == "provider"
    api.headers["x-model-provider"] = "nowhere"
    assert api.post("/v1/batches", body).error["param"] == "provider"
