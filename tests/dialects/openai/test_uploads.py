"""Uploads: a file that arrives in parts."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import Settings

from batches.models import File, Upload, UploadPart
from batches.services.intake import uploads as upload
from tests.dialects.openai.conftest import Answer, Api

UNKNOWN = "upload_" + "0" * 32


def start(api: Api, **changes: Any) -> Answer:
    """Promise a file; a change to None leaves the parameter out."""
    promise = {"bytes": 6, "filename": "jobs.jsonl", "mime_type": "application/jsonl", "purpose": "batch"} | changes
    return api.post("/v1/uploads", {name: value for name, value in promise.items() if value is not None})


def add(api: Api, upload_id: str, content: bytes) -> Answer:
    return api.post_form(f"/v1/uploads/{upload_id}/parts", {"data": SimpleUploadedFile("upload", content)})


def test_an_upload_is_shown_with_every_field_of_the_contract(api: Api) -> None:
    shown = start(api).json
    created_at = shown.pop("created_at")
    assert shown.pop("id").startswith("upload_")
    assert shown == {
        "object": "upload",
        "bytes": 6,
        "expires_at": created_at + 3600,
        "filename": "jobs.jsonl",
        "purpose": "batch",
        "status": "pending",
        "file": None,
    }


def test_parts_become_a_file_in_the_order_that_the_client_names(api: Api) -> None:
    upload_id = start(api, expires_after={"anchor": "created_at", "seconds": 7200}).json["id"]
    second, first = add(api, upload_id, b"def").json, add(api, upload_id, b"abc").json
    assert set(first) == {"id", "object", "created_at", "upload_id"}
    assert (first["object"], first["upload_id"]) == ("upload.part", upload_id)
    order = {"part_ids": [first["id"], second["id"]], "md5": hashlib.md5(b"abcdef", usedforsecurity=False).hexdigest()}
    completed = api.post(f"/v1/uploads/{upload_id}/complete", order)
    assert completed.status == 200
    assert completed.json["status"] == "completed"
    file = completed.json["file"]
    assert file["object"] == "file"
    assert file["expires_at"] == file["created_at"] + 7200
    assert api.get(f"/v1/files/{file['id']}/content").content == b"abcdef"
    assert not UploadPart.objects.exists()


def test_an_upload_may_be_larger_than_a_file_that_is_sent_at_once(api: Api, settings: Settings) -> None:
    settings.MAX_FILE_BYTES = 5
    upload_id = start(api, purpose="user_data").json["id"]
    part = add(api, upload_id, b"abcdef").json["id"]
    assert api.post(f"/v1/uploads/{upload_id}/complete", {"part_ids": [part]}).json["file"]["bytes"] == 6


def test_a_completed_upload_takes_nothing_more(api: Api) -> None:
    upload_id = start(api, bytes=3).json["id"]
    part_ids = {"part_ids": [add(api, upload_id, b"abc").json["id"]]}
    assert api.post(f"/v1/uploads/{upload_id}/complete", part_ids).status == 200
    for answer in (
        add(api, upload_id, b"x"),
        api.post(f"/v1/uploads/{upload_id}/complete", part_ids),
        api.post(f"/v1/uploads/{upload_id}/cancel"),
    ):
        assert answer.status == 400
        assert "completed" in answer.error["message"]


def test_a_cancelled_upload_takes_nothing_more(api: Api) -> None:
    upload_id = start(api).json["id"]
    add(api, upload_id, b"abc")
    assert api.post(f"/v1/uploads/{upload_id}/cancel").json["status"] == "cancelled"
    assert add(api, upload_id, b"abc").status == 400
    assert not UploadPart.objects.exists()


def test_a_client_that_missed_an_answer_gets_it_again(api: Api) -> None:
    """SDKs send a call again when its connection breaks; nothing but this answer tells them the file's id."""
    upload_id, given_up = start(api, bytes=3).json["id"], start(api).json["id"]
    order = {"part_ids": [add(api, upload_id, b"abc").json["id"]]}
    completed = api.post(f"/v1/uploads/{upload_id}/complete", order)
    cancelled = api.post(f"/v1/uploads/{given_up}/cancel")
    api.headers |= {"x-stainless-retry-count": "1"}
    assert api.post(f"/v1/uploads/{upload_id}/complete", order).json == completed.json
    assert api.post(f"/v1/uploads/{given_up}/cancel").json == cancelled.json
    assert api.post(f"/v1/uploads/{upload_id}/cancel").status == 400
    assert api.post(f"/v1/uploads/{given_up}/complete", {"part_ids": []}).status == 400
    assert File.objects.count() == 1


def test_an_upload_whose_hour_is_over_takes_nothing_more(api: Api) -> None:
    upload_id = start(api).json["id"]
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "expired" in add(api, upload_id, b"abc").error["message"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"bytes": None}, "bytes"),
        ({"bytes": 0}, "bytes"),
        ({"bytes": -1}, "bytes"),
        ({"bytes": "6"}, "bytes"),
        ({"bytes": 6.0}, "bytes"),
        ({"bytes": True}, "bytes"),
        ({"bytes": [6]}, "bytes"),
        ({"filename": None}, "filename"),
        ({"filename": ""}, "filename"),
        ({"filename": 5}, "filename"),
        ({"filename": "a\0b"}, "filename"),
        ({"mime_type": None}, "mime_type"),
        ({"mime_type": "x" * 256}, "mime_type"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"purpose": ["batch"]}, "purpose"),
        ({"expires_after": {"anchor": "created_at", "seconds": 1}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "created_at", "seconds": "3600"}}, "expires_after.seconds"),
        ({"expires_after": 3600}, "expires_after"),
        ({"expires_after": {}}, "expires_after.anchor"),
    ],
)
def test_a_promise_with_a_wrong_parameter_is_refused_by_its_name(api: Api, change: dict[str, Any], param: str) -> None:
    answer = start(api, **change)
    assert answer.status == 400
    assert answer.error["param"] == param


@pytest.mark.parametrize("size", [200 * 1024**2 + 1, 2**62, 10**18 + 1])
def test_a_promise_of_too_much_is_refused(api: Api, size: int) -> None:
    for purpose in ("batch", "user_data"):
        assert start(api, bytes=size + 8 * 1024**3, purpose=purpose).status == 413


def test_a_part_over_the_limit_or_over_the_promise_is_refused(api: Api, settings: Settings) -> None:
    settings.MAX_PART_BYTES = 4
    upload_id = start(api).json["id"]
    assert add(api, upload_id, b"12345").status == 413
    assert add(api, upload_id, b"1234").status == 200
    assert add(api, upload_id, b"123").status == 400
    assert add(api, upload_id, b"").status == 400
    assert UploadPart.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "part_ids"),
        ({"part_ids": None}, "part_ids"),
        ({"part_ids": "part_1"}, "part_ids"),
        ({"part_ids": []}, "part_ids"),
        ({"part_ids": [5]}, "part_ids.0"),
        ({"part_ids": ["x"]}, "part_ids"),
        ({"part_ids": ["part_" + "0" * 32]}, "part_ids"),
        ({"part_ids": ["THE PART", "THE PART"]}, "part_ids"),
        ({"part_ids": ["THE PART"]}, "part_ids"),
        ({"part_ids": ["THE PART"], "md5": 5}, "md5"),
    ],
)
def test_a_wrong_completion_is_refused_and_changes_nothing(api: Api, body: dict[str, Any], param: str) -> None:
    upload_id = start(api).json["id"]
    part_id = add(api, upload_id, b"abc").json["id"]
    if isinstance(body.get("part_ids"), list):
        body = body | {"part_ids": [part_id if named == "THE PART" else named for named in body["part_ids"]]}
    answer = api.post(f"/v1/uploads/{upload_id}/complete", body)
    assert answer.status == 400
    assert answer.error["param"] == param
    assert Upload.objects.get().status == "pending"


def test_a_wrong_checksum_is_refused(api: Api) -> None:
    upload_id = start(api, bytes=3).json["id"]
    part_id = add(api, upload_id, b"abc").json["id"]
    answer = api.post(f"/v1/uploads/{upload_id}/complete", {"part_ids": [part_id], "md5": "0" * 32})
    assert answer.error["param"] == "md5"


def test_a_part_of_another_upload_is_not_taken(api: Api) -> None:
    here, there = start(api, bytes=3).json["id"], start(api, bytes=3).json["id"]
    part_id = add(api, there, b"abc").json["id"]
    assert api.post(f"/v1/uploads/{here}/complete", {"part_ids": [part_id]}).status == 400


@pytest.mark.parametrize("missing", [UNKNOWN, "x", "%00", "a" * 1000])
def test_a_foreign_upload_looks_like_an_unknown_one(api: Api, stranger: Api, missing: str) -> None:
    theirs = start(stranger).json["id"]
    for upload_id in (theirs, missing):
        for answer in (
            add(api, upload_id, b"abc"),
            api.post(f"/v1/uploads/{upload_id}/complete", {"part_ids": []}),
            api.post(f"/v1/uploads/{upload_id}/cancel"),
        ):
            assert answer.status == 404
            assert answer.error["param"] == "upload_id"
    assert Upload.objects.get().status == "pending"


def test_an_upload_has_so_many_parts_and_no_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_PARTS", 2)
    upload_id = start(api).json["id"]
    assert [add(api, upload_id, b"a").status for _ in range(3)] == [200, 200, 400]
    assert UploadPart.objects.count() == 2


def test_parts_that_are_dropped_while_they_are_put_together_are_a_conflict(api: Api) -> None:
    upload_id = start(api, bytes=3).json["id"]
    part = add(api, upload_id, b"abc").json
    kept = UploadPart.objects.get()
    kept.content.storage.delete(str(kept.content.name))  # as a cancellation does at the same time
    assert api.post(f"/v1/uploads/{upload_id}/complete", {"part_ids": [part["id"]]}).status == 409
