"""Files: upload, list, retrieve, content, delete."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import Settings

from batches.models import File
from tests.dialects.openai.conftest import Api

MONTH = 30 * 86_400
UNKNOWN = "file-" + "0" * 32


def part(disposition: bytes, content: bytes) -> bytes:
    """A form of one part, its boundary `x`."""
    return b"--x\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + content + b"\r\n--x--\r\n"


def test_a_file_is_shown_with_every_field_of_the_contract(api: Api) -> None:
    answer = api.upload(b"abc\n")
    assert answer.status == 200
    shown = answer.json
    identifier, created_at = shown.pop("id"), shown.pop("created_at")
    assert identifier.startswith("file-")
    assert len(identifier) == len("file-") + 32
    assert isinstance(created_at, int)
    assert shown == {
        "object": "file",
        "bytes": 4,
        "expires_at": created_at + MONTH,
        "filename": "jobs.jsonl",
        "purpose": "batch",
        "status": "processed",
    }
    assert api.get(f"/v1/files/{identifier}").json == answer.json


def test_a_file_for_another_purpose_than_a_batch_is_kept_until_it_is_deleted(api: Api) -> None:
    assert api.upload(purpose="user_data").json["expires_at"] is None


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), (".", "")])
def test_a_lifetime_is_read_in_both_spellings(api: Api, opening: str, closing: str) -> None:
    form: dict[str, Any] = {
        f"expires_after{opening}anchor{closing}": "created_at",
        f"expires_after{opening}seconds{closing}": "3600",
    }
    shown = api.upload(**form).json
    assert shown["expires_at"] == shown["created_at"] + 3600


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "now", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592001"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "-1"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600.0"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "9" * 5000}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "\0"}, "expires_after.seconds"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"purpose": ""}, "purpose"),
        ({"purpose": "batch\0"}, "purpose"),
        ({"purpose": "x" * 10_000}, "purpose"),
    ],
)
def test_a_form_with_a_wrong_field_is_refused_by_its_name(api: Api, form: dict[str, Any], param: str) -> None:
    answer = api.upload(**form)
    assert answer.status == 400
    assert answer.error["param"] == param
    assert not File.objects.exists()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("upload", "upload"),
        ("jobs.jsonl", "jobs.jsonl"),
        ("ärger 日本.jsonl", "ärger 日本.jsonl"),
        ("../../etc/passwd", "passwd"),
        ("C:\\jobs\\a.jsonl", "a.jsonl"),
        ("a\tb.jsonl", "ab.jsonl"),
        ("x" * 300 + ".jsonl", "x" * 249 + ".jsonl"),
    ],
)
def test_only_the_name_of_a_file_is_kept_and_none_of_its_path(api: Api, sent: str, kept: str) -> None:
    boundary = "b0undary"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{sent}"\r\n\r\nabc\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--{boundary}--\r\n'
    )
    answer = api.post_bytes("/v1/files", body.encode(), content_type=f"multipart/form-data; boundary={boundary}")
    assert answer.status == 200, "the file came before the purpose: no order is asked for"
    assert answer.json["filename"] == kept


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "multipart/form-data; boundary=x", 400),
        (b"garbage", "multipart/form-data; boundary=x", 400),
        (b"garbage", "multipart/form-data", 400),
        (b"garbage", "multipart/form-data; boundary=", 400),
        (b"garbage", "multipart/form-data; boundary=\xe9", 400),
        (b"{}", "application/json", 415),
        (b"purpose=batch", "application/x-www-form-urlencoded", 415),
        (b"x", "", 415),
        (part(b'name="purpose"', b"\xff\xfe"), "multipart/form-data; boundary=x", 400),
        (part(b'name="file"', b"abc"), "multipart/form-data; boundary=x", 400),
        (part(b'name="file"; filename="a"', b"ab")[:-8], "multipart/form-data; boundary=x", 400),
        (part(b'name="file"; filename="a"', b"ab"), "multipart/form-data; boundary=x; charset=hex", 400),
    ],
)
def test_a_form_that_is_none_is_refused(api: Api, body: bytes, content_type: str, status: int) -> None:
    answer = api.post_bytes("/v1/files", body, content_type=content_type)
    assert answer.status == status
    assert answer.error["type"] == "invalid_request_error"


def test_an_upload_without_a_file_with_two_and_with_an_empty_one_is_refused(api: Api) -> None:
    two = [SimpleUploadedFile("a", b"a"), SimpleUploadedFile("b", b"b")]
    for answer in (
        api.post_form("/v1/files", {"purpose": "batch"}),
        api.post_form("/v1/files", {"purpose": "batch", "file": "text"}),
        api.post_form("/v1/files", {"purpose": "batch", "file": two}),
        api.upload(b""),
    ):
        assert answer.status == 400
        assert answer.error["param"] == "file"
    assert not File.objects.exists()


def test_a_file_over_the_limit_is_refused_and_not_kept(api: Api, settings: Settings, media_root: Path) -> None:
    settings.MAX_BATCH_FILE_BYTES = 10
    assert api.upload(b"x" * 11).status == 413
    assert api.upload(b"x" * 10).status == 200
    assert api.upload(b"x" * 11, purpose="user_data").status == 200
    assert len([path for path in media_root.rglob("*") if path.is_file()]) == 2


def test_a_body_over_the_limit_is_refused_by_its_declared_length(api: Api, settings: Settings) -> None:
    settings.MAX_FILE_BYTES = 10
    answer = api.call(
        "POST",
        "/v1/files",
        data=b"never read",
        content_type="multipart/form-data; boundary=x",
        headers={"Content-Length": str(10**13)},
    )
    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"


def test_content_is_sent_as_it_came_whatever_the_client_accepts(api: Api) -> None:
    content = b"\xef\xbb\xbf{}\r\n\xff\0no json"
    identifier = api.file_id(content)
    for accept in ("application/binary", "application/json", "text/html", "nonsense", ""):
        answer = api.get(f"/v1/files/{identifier}/content", headers={"Accept": accept})
        assert answer.status == 200
        assert answer.content == content
        assert answer.headers["Content-Length"] == str(len(content))
        assert answer.headers["Content-Type"] == "application/octet-stream"


def test_a_file_may_be_longer_than_any_json_body_and_is_sent_in_pieces(api: Api, settings: Settings) -> None:
    content = b"x" * (2 * settings.MAX_JSON_BYTES + 1)
    identifier = api.file_id(content)
    response = api.client.get(f"/v1/files/{identifier}/content", headers=api.headers)
    pieces: list[bytes] = list(response.streaming_content)  # type: ignore[attr-defined]
    assert len(pieces) > 5
    assert b"".join(pieces) == content


def test_content_whose_bytes_are_gone_is_not_found(api: Api) -> None:
    identifier = api.file_id()
    Path(File.objects.get().content.path).unlink()
    answer = api.get(f"/v1/files/{identifier}/content")
    assert answer.status == 404
    assert answer.error["code"] == "content_gone"


def test_a_deleted_file_is_gone_at_once(api: Api) -> None:
    identifier = api.file_id()
    assert api.delete(f"/v1/files/{identifier}").json == {"id": identifier, "object": "file", "deleted": True}
    assert api.get(f"/v1/files/{identifier}").status == 404
    assert api.get(f"/v1/files/{identifier}/content").status == 404
    assert api.delete(f"/v1/files/{identifier}").status == 404
    assert api.get("/v1/files").json["data"] == []


def test_an_expired_file_is_gone(api: Api) -> None:
    identifier = api.file_id()
    File.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert api.get(f"/v1/files/{identifier}").status == 404
    assert api.get("/v1/files").json["data"] == []


@pytest.mark.parametrize(
    "identifier",
    [UNKNOWN, "file-", "x", "..", "%00", "%2F", "file-%2F", "%ff%fe", "a" * 5000, "file-" + "g" * 32, "0" * 32, "null", "%0a"],
)
def test_a_file_that_is_not_there_is_not_found(api: Api, identifier: str) -> None:
    for method, path in (
        ("GET", f"/v1/files/{identifier}"),
        ("GET", f"/v1/files/{identifier}/content"),
        ("DELETE", f"/v1/files/{identifier}"),
    ):
        answer = api.call(method, path)
        assert answer.status == 404
        assert answer.error["type"] == "invalid_request_error"


def test_a_foreign_file_looks_like_an_unknown_one(api: Api, stranger: Api) -> None:
    theirs = stranger.file_id()
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        foreign, unknown = (api.call(method, f"/v1/files/{identifier}{path}") for identifier in (theirs, UNKNOWN))
        assert foreign.status == unknown.status == 404
        assert foreign.content.replace(theirs.encode(), b"") == unknown.content.replace(UNKNOWN.encode(), b"")
    assert api.get("/v1/files").json["data"] == []
    assert stranger.get(f"/v1/files/{theirs}").status == 200


def test_an_id_is_read_in_any_of_its_forms(api: Api) -> None:
    identifier = api.file_id()
    for form in (identifier.removeprefix("file-"), identifier.replace("-", "_"), str(File.objects.get().pk)):
        assert api.get(f"/v1/files/{form}").json["id"] == identifier
