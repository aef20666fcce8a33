"""What a create call may say at each face, and what each face refuses: models, windows, invalid lines, encodings, quotas."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings

from batches.models import Batch, File
from batches.services.results.results import slice_lines
from tests.dialects.conformance import Face
from tests.dialects.intake.conftest import BIFROST, ITEM, NATIVE, OPENAI, lines, uploaded, validated
from tests.dialects.openai.conftest import CHAT, Api

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", [NATIVE, OPENAI, BIFROST])
def test_c1_a_request_without_a_model_asks_for_the_batchs(api: Api, path: str) -> None:
    items = [ITEM, ITEM | {"custom_id": "b", "body": {"model": "m"}}, ITEM | {"custom_id": "c", "body": {"model": "simulator/m"}}]
    answer = api.post(path, {"model": "simulator/m", "provider": "simulator", "endpoint": CHAT, "requests": items})
    assert answer.status in (200, 201), answer.content
    batch = validated()
    assert (batch.status, batch.model) == ("in_progress", "m")
    sent = slice_lines(batch, batch.slices.get())
    assert b'"body":{"model":"m","messages":' in sent[1]
    assert [json.loads(line)["body"]["model"] for line in sent.values()] == ["m", "m", "m"]
    shown = api.get(f"{NATIVE}/{batch}/objects/1")
    assert shown.status == 200
    assert b'"model":"m"' in shown.content.replace(b": ", b":")


@pytest.mark.parametrize("path", [OPENAI, BIFROST])
def test_c1_a_file_is_held_to_the_batchs_model_too(api: Api, path: str) -> None:
    file = uploaded(api, lines(None, "m", "other"))["id"]
    asked = {"input_file_id": file, "model": "simulator/m", "endpoint": CHAT, "completion_window": "24h"}
    assert api.post(path, asked).status == 200
    batch = validated()
    error = batch.errors.get()
    assert (batch.status, error.code, error.line) == ("failed", "model_mismatch", 3)
    assert "model is other; the batch's model is m" in error.message


def test_c1_the_native_api_refuses_another_model_at_once(api: Api) -> None:
    answer = api.post(NATIVE, {"endpoint": CHAT, "model": "m", "requests": [ITEM | {"body": {"model": "n"}}]})
    assert answer.status == 400
    assert "model is n; the batch's model is m" in answer.json["error"]["message"]


@pytest.mark.parametrize("path", [NATIVE, OPENAI, BIFROST])
@pytest.mark.parametrize(("window", "length"), [("1h", 1), ("15m", 0.25), ("48h", 48), ("7d", 168), (None, 24)])
def test_c2_any_window_is_taken_and_echoed(api: Api, path: str, window: str | None, length: float) -> None:
    asked = {"model": "simulator/m", "provider": "simulator", "endpoint": CHAT, "requests": [ITEM]}
    answer = api.post(path, asked | ({} if window is None else {"completion_window": window}))
    assert answer.status in (200, 201), answer.content
    assert answer.json["completion_window"] == (window or "24h")
    batch = Batch.objects.get()
    assert batch.expires_at - batch.created_at == timedelta(hours=length)


@pytest.mark.parametrize(
    "window", ["14m", "8d", "169h", "0h", "1.5h", "24H", "24", "h", "١h", "", 24, ["24h"], "9999999m", " 24h"]
)
@pytest.mark.parametrize("path", [NATIVE, OPENAI, BIFROST, "/openai/v1/batches"])
def test_c2_a_bad_window_is_refused_with_its_bounds(api: Api, path: str, window: object) -> None:
    asked = {"endpoint": CHAT, "completion_window": window}
    asked |= {"input_file_id": uploaded(api, lines("m"))["id"]}
    answer = api.post(path + ("?provider=simulator" if path == BIFROST else ""), asked)
    assert answer.status == 400
    assert answer.json["error"]["param"] == "completion_window"
    if isinstance(window, str) and window:
        assert "from 15m to 7d" in answer.json["error"]["message"]


def test_c2_the_longest_window_is_a_setting(api: Api, settings: Settings) -> None:
    settings.MAX_WINDOW_HOURS = 50
    asked = {"endpoint": CHAT, "requests": [ITEM | {"body": {"model": "m"}}]}
    assert "to 50h" in api.post(OPENAI, asked | {"completion_window": "3d"}).json["error"]["message"]
    assert api.post(OPENAI, asked | {"completion_window": "50h"}).status == 200


BAD_FORMS: list[tuple[dict[str, Any], str]] = [
    ({"expires_after": "604800"}, "expires_after"),
    ({"expires_after": '{"anchor":"created_at","seconds":604800}'}, "expires_after"),
    ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
    ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "soon"}, "expires_after.seconds"),
    (
        {"expires_after[anchor]": "created_at", "expires_after[seconds]": "7200", "expires_after.seconds": "7200"},
        "expires_after.seconds",
    ),
    ({"expires_after[when]": "1"}, "expires_after[when]"),
    ({"colour": "red"}, "colour"),
    ({"purpose": ["batch", "batch"]}, "purpose"),
    ({"more": SimpleUploadedFile("b", b"{}\n")}, "more"),
    ({"purpose": ["batch", SimpleUploadedFile("b", b"batch")]}, "purpose"),
]


@pytest.mark.parametrize("at", ["/v1/files", "/openai/v1/files", "/bifrost/v1/files"])
def test_c7_nothing_of_a_form_is_ignored(api: Api, at: str) -> None:
    told = []
    for form, param in BAD_FORMS:
        whole = {"purpose": "batch", "file": SimpleUploadedFile("a", b"{}\n")} | form
        response = api.client.post(at, whole, headers=api.headers)
        error = json.loads(response.content)["error"]
        if (response.status_code, error["param"]) != (400, param):
            told.append((form, response.status_code, error))
    assert told == []
    assert not File.objects.exists()
    right = {"purpose": "batch", "file": SimpleUploadedFile("a", b"{}\n"), "expires_after[anchor]": "created_at"}
    assert api.client.post(at, right | {"expires_after[seconds]": "7200"}, headers=api.headers).status_code == 200


BAD_MEMBERS = (
    '"colour":1',
    '"requests2":[]',
    '"metadata":{"a":"1","a":"2"}',
    '"endpoint":"/v1/responses","endpoint":"/v1/responses"',
)


@pytest.mark.parametrize("path", [NATIVE, OPENAI, BIFROST, "/openai/v1/batches"])
@pytest.mark.parametrize("member", BAD_MEMBERS)
def test_c7_an_unknown_or_doubled_member_is_refused(api: Api, path: str, member: str) -> None:
    body = '{"model":"simulator/m","requests":[' + json.dumps(ITEM) + "]," + member + "}"
    if path.startswith("/openai"):
        body = '{"input_file_id":"' + uploaded(api, lines("m"))["id"] + '","completion_window":"48h",' + member + "}"
    answer = api.post_bytes(path, body.encode())
    assert answer.status == 400
    assert not Batch.objects.exists()


@pytest.mark.parametrize("more", [{"bdy": {}}, {"priority": 1}])
@pytest.mark.parametrize("path", [NATIVE, OPENAI, BIFROST])
def test_c7_an_unknown_member_of_a_request_is_refused(api: Api, path: str, more: dict[str, Any]) -> None:
    answer = api.post(path, {"model": "simulator/m", "endpoint": CHAT, "requests": [ITEM | more]})
    assert answer.status == 400
    assert not Batch.objects.exists()


def test_c7_a_query_is_refused_for_what_is_unknown_or_given_twice(face: Face) -> None:
    joint = "&" if face.query else "?"
    told = []
    for query in ("statuz=1", "beta=true&beta=true", "window=1h"):
        answer = face.call("POST", face.path() + joint + query, data=b"{}", content_type="application/json")
        if answer.status != 400 or not face.problem(answer):
            told.append((query, answer.status))
    if face.lists:
        answer = face.get(f"{face.path()}{joint}limit=1&limit=2")
        assert answer.status == 400
        assert "more than once" in face.problem(answer)
    assert told == []


@pytest.mark.parametrize("query", ["purpose=", "order="])
@pytest.mark.parametrize("at", ["/v1/files", "/openai/v1/files"])
def test_c7_an_empty_word_of_a_query_is_refused(api: Api, at: str, query: str) -> None:
    assert api.get(f"{at}?{query}").status == 400


def test_c7_the_native_api_takes_no_file_for_a_purpose(api: Api) -> None:
    form = {"purpose": SimpleUploadedFile("b", b"vision"), "file": SimpleUploadedFile("a", b"{}\n")}
    assert api.client.post("/api/v1/files", form, headers=api.headers).status_code == 400
    assert not File.objects.exists()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip"])
def test_c13_an_encoded_body_is_a_415_in_the_faces_words(face: Face, encoding: str) -> None:
    for path in (face.path(), getattr(face, "files", face.path())):
        body = gzip.compress(b"{}", mtime=0)
        kind = "multipart/form-data; boundary=b" if path.endswith("files") else "application/json"
        answer = face.call("POST", path, data=body, content_type=kind, headers={"Content-Encoding": encoding})
        assert answer.status == 415
        if not face.batches.startswith("/api/accounting"):
            assert "Content-Encoding" in face.problem(answer)


def test_c13_identity_is_no_encoding(face: Face) -> None:
    assert face.create("a", content_encoding="identity").status in (200, 202)


@pytest.mark.parametrize("at", ["/v1/files", "/openai/v1/files", "/bifrost/v1/files", "/api/v1/files"])
def test_c13_an_input_in_gzip_runs_like_any_other(api: Api, at: str) -> None:
    content = lines("m", "m")
    file = uploaded(api, gzip.compress(content, mtime=0), at=at, name="jobs.jsonl.gz")
    assert (file["bytes"], file["filename"]) == (len(content), "jobs.jsonl")
    assert api.get(f"/v1/files/{file['id']}/content").content == content
    asked = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
    assert api.post(OPENAI, asked).status == 200
    assert validated().counts.total == 2


def test_c13_an_upload_in_parts_may_be_gzip(api: Api) -> None:
    packed = gzip.compress(lines("m", "m", "m"), mtime=0)
    promised = {"bytes": len(packed), "filename": "a.jsonl.gz", "mime_type": "application/gzip", "purpose": "batch"}
    upload = api.post("/v1/uploads", promised).json["id"]
    parts = []
    for piece in (packed[:30], packed[30:]):
        response = api.client.post(f"/v1/uploads/{upload}/parts", {"data": SimpleUploadedFile("p", piece)}, headers=api.headers)
        parts.append(json.loads(response.content)["id"])
    done = api.post(f"/v1/uploads/{upload}/complete", {"part_ids": parts})
    assert (done.status, done.json["file"]["bytes"]) == (200, len(lines("m", "m", "m")))
