"""Novita's files: an envelope of their own, no status, and a count of requests in the answer to an upload."""

from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from batches.models import File
from tests.dialects.novita.conftest import FILES, Novita, line

DAY = 86_400


def test_an_upload_is_answered_with_the_number_of_its_requests_and_no_status(api: Novita) -> None:
    answer = api.upload(line("a") + b"\n" + line("b") + line("c").rstrip())
    assert answer.status == 200
    shown = answer.json
    identifier, created_at = shown.pop("id"), shown.pop("created_at")
    assert isinstance(created_at, int)
    assert shown == {
        "object": "file",
        "bytes": File.objects.get().bytes,
        "expires_at": created_at + 15 * DAY,
        "filename": "jobs.jsonl",
        "purpose": "batch",
        "metadata": {"total_requests": 3},
    }
    del shown["metadata"]
    assert api.get(f"{FILES}/{identifier}").json == shown | {"id": identifier, "created_at": created_at}


def test_a_client_may_choose_how_long_its_input_is_kept(api: Novita) -> None:
    form: dict[str, Any] = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    shown = api.upload(**form).json
    assert shown["expires_at"] == shown["created_at"] + 3600


def test_a_file_for_another_purpose_has_no_requests_and_stays(api: Novita) -> None:
    shown = api.upload(purpose="user_data").json
    assert (shown["metadata"], shown["expires_at"]) == ({"total_requests": 0}, None)


def test_the_list_says_nothing_of_pages_but_can_be_paged(api: Novita) -> None:
    assert api.get(FILES).json == {"code": "", "message": "", "data": []}
    made = [api.file_id() for _ in range(3)]
    listed = api.get(FILES).json
    assert set(listed) == {"code", "message", "data"}
    assert [file["id"] for file in listed["data"]] == made[::-1]
    assert all("status" not in file and "metadata" not in file for file in listed["data"])
    assert [file["id"] for file in api.get(f"{FILES}?after={made[1]}").json["data"]] == [made[0]]
    assert api.get(f"{FILES}?after={made[0]}").json["data"] == []


def test_a_file_is_read_and_deleted(api: Novita) -> None:
    identifier = api.file_id(b"abc\n")
    assert api.get(f"{FILES}/{identifier}/content").content == b"abc\n"
    assert api.delete(f"{FILES}/{identifier}").json == {"id": identifier, "object": "file", "deleted": True}
    assert api.get(f"{FILES}/{identifier}").status == 404


@pytest.mark.parametrize("size", [11, 2 * 1024**2])
def test_a_file_over_this_dialects_limit_is_refused_and_not_kept(
    api: Novita, settings: Settings, media_root: Path, size: int
) -> None:
    settings.NOVITA_MAX_FILE_BYTES = 10
    answer = api.upload(b"x" * size)
    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"
    assert api.upload(b"x" * 10).status == 200
    assert File.objects.count() == 1
