"""Bifrost's files: OpenAI's, with where they are stored and what is told of the call."""

from typing import Any

import pytest

from batches.models import File
from tests.dialects.bifrost.conftest import FILES, Bifrost, problem

MONTH = 30 * 86_400


def without_latency(shown: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(shown["extra_fields"].pop("latency"), int)
    return shown


def test_a_file_is_shown_with_where_its_content_is(api: Bifrost) -> None:
    shown = without_latency(api.upload(b"abc\n").json)
    identifier, created_at = shown.pop("id"), shown.pop("created_at")
    assert shown.pop("extra_fields") == {"request_type": "file_upload"}
    assert shown == {
        "object": "file",
        "bytes": 4,
        "expires_at": created_at + MONTH,
        "filename": "jobs.jsonl",
        "purpose": "batch",
        "status": "processed",
        "storage_backend": "api",
        "storage_uri": f"http://testserver{FILES}/{identifier}/content",
    }
    again = without_latency(api.get(f"{FILES}/{identifier}?provider=simulator").json)
    assert again.pop("extra_fields") == {"request_type": "file_retrieve"}
    assert again == shown | {"id": identifier, "created_at": created_at}
    assert api.get(shown["storage_uri"].removeprefix("http://testserver")).content == b"abc\n"


def test_a_file_that_stays_has_no_expiry(api: Bifrost) -> None:
    assert "expires_at" not in api.upload(purpose="user_data").json


def test_files_are_listed_by_a_token(api: Bifrost) -> None:
    made = [api.upload().json["id"] for _ in range(3)]
    first = without_latency(api.get(f"{FILES}?limit=2").json)
    assert [file["id"] for file in first.pop("data")] == [made[2], made[1]]
    assert first == {
        "object": "list",
        "first_id": made[2],
        "last_id": made[1],
        "has_more": True,
        "after": made[1],
        "extra_fields": {"request_type": "file_list"},
    }
    last = api.get(f"{FILES}?limit=2&after={first['after']}").json
    assert [file["id"] for file in last["data"]] == [made[0]]
    assert (last["has_more"], "after" in last) == (False, False)


def test_a_file_is_deleted(api: Bifrost) -> None:
    identifier = api.upload().json["id"]
    deleted = without_latency(api.delete(f"{FILES}/{identifier}").json)
    assert deleted == {"id": identifier, "object": "file", "deleted": True, "extra_fields": {"request_type": "file_delete"}}
    missing = api.get(f"{FILES}/{identifier}")
    assert (missing.status, missing.json["extra_fields"]) == (404, {"request_type": "file_retrieve"})
    assert problem(missing)["param"] == "file_id"


@pytest.mark.parametrize("query", ["?provider=simulator", "?x-model-provider=simulator"])
def test_a_provider_may_be_named_in_the_query_and_is_told_back(api: Bifrost, query: str) -> None:
    assert api.get(FILES + query).json["extra_fields"]["provider"] == "simulator"


def test_a_provider_may_be_named_in_a_header(api: Bifrost) -> None:
    answer = api.get(FILES, headers={"x-model-provider": "simulator"})
    assert answer.json["extra_fields"]["provider"] == "simulator"


def test_a_provider_may_be_named_in_the_form_of_an_upload(api: Bifrost) -> None:
    assert api.upload(provider="simulator").json["extra_fields"]["provider"] == "simulator"


def test_a_provider_that_is_not_there_is_refused_and_nothing_kept(api: Bifrost) -> None:
    for answer in (api.upload(provider="nowhere"), api.get(f"{FILES}?provider=nowhere"), api.upload(provider="\0")):
        assert (answer.status, problem(answer)["param"]) == (400, "provider")
    assert not File.objects.exists()
