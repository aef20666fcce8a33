"""What a create call may say at each face, and what each face refuses: models, windows, invalid lines, encodings, quotas."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, File
from batches.services.lifecycle.finalize import finalize
from batches.services.lifecycle.validate import validate
from batches.services.results.results import slice_lines
from providers.models import Provider
from tests.api.conftest import Native
from tests.cast import assert_counts_are_true, run_executor
from tests.dialects.conformance import FACES, Face
from tests.dialects.openai.conftest import CHAT, Api

pytestmark = pytest.mark.django_db

ASKED = [{"role": "user", "content": "x"}]
ITEM = {"custom_id": "a", "body": {"messages": [], "n": 1.50}}
NATIVE, OPENAI, BIFROST = "/api/v1/batches", "/v1/batches", "/bifrost/v1/batches"


@pytest.fixture
def api(key: str, simulator: Provider) -> Api:
    return Native(key)


@pytest.fixture(params=sorted(FACES))
def face(request: pytest.FixtureRequest, key: str, simulator: Provider) -> Face:
    return FACES[request.param](key)


def lines(*models: str | None) -> bytes:
    bodies: list[dict[str, Any]] = [{"messages": ASKED} | ({} if model is None else {"model": model}) for model in models]
    return b"".join(
        json.dumps({"custom_id": str(number), "method": "POST", "url": CHAT, "body": body}).encode() + b"\n"
        for number, body in enumerate(bodies)
    )


def uploaded(api: Api, content: bytes, *, at: str = "/v1/files", name: str = "jobs.jsonl") -> Any:
    form = {"purpose": "batch", "file": SimpleUploadedFile(name, content)}
    response = api.client.post(at, form, headers=api.headers)
    assert response.status_code in (200, 201), response.content
    return json.loads(response.content)


def validated() -> Batch:
    batch = Batch.objects.get()
    validate(batch.pk, now=timezone.now())
    batch.refresh_from_db()
    return batch


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


def bad_lines() -> bytes:
    return lines("m") + b"nonsense\n" + lines("m", "m").splitlines(keepends=True)[1] + lines("m")


@pytest.mark.django_db(transaction=True)  # the executor has a thread of its own
@pytest.mark.parametrize("path", [NATIVE, OPENAI, BIFROST, "/openai/v1/batches"])
def test_c12_a_client_may_have_invalid_lines_skipped(api: Api, path: str) -> None:
    file = uploaded(api, bad_lines())["id"]
    asked = {"input_file_id": file, "endpoint": CHAT, "completion_window": "48h", "on_invalid": "skip"}
    answer = api.post(path + ("?provider=simulator" if path == BIFROST else ""), asked)
    assert (answer.status in (200, 201), answer.json["on_invalid"]) == (True, "skip")
    batch = validated()
    run_executor()
    finalize(batch.pk, now=timezone.now())
    batch.refresh_from_db()
    assert (batch.status, batch.total, batch.succeeded, batch.failed) == ("completed", 4, 2, 2)
    shown = api.get(f"/v1/batches/{batch}").json
    assert shown["request_counts"] == {"total": 4, "completed": 2, "failed": 2}
    content = api.get(f"/v1/files/{shown['error_file_id']}/content").content
    told = [json.loads(line) for line in content.splitlines()]
    assert [(row["custom_id"], row["error"]["code"], row["error"]["line"]) for row in told] == [
        ("", "invalid_json_line", 2),
        ("", "duplicate_custom_id", 4),
    ]
    assert_counts_are_true(batch)


UNREADABLE = [
    b"{",
    b"not json",
    b"<html>",
    b'{"custom_id": "cut \xff"}',
    b"[" * 5000 + b"]" * 5000,
    b'{"custom_id": NaN}',
    b"{},",
]


@pytest.mark.django_db(transaction=True)  # the executor has a thread of its own
@pytest.mark.parametrize("line", [*UNREADABLE, b"[1]", b"null"], ids=lambda line: line[:20].decode(errors="replace"))
def test_c12_a_skipped_line_is_told_as_it_was_whatever_it_is(api: Api, line: bytes) -> None:
    file = uploaded(api, lines("m") + line + b"\n" + lines("m").replace(b'"0"', b'"1"'))["id"]
    api.post(NATIVE, {"endpoint": CHAT, "input_file_id": file, "on_invalid": "skip"})
    batch = validated()
    run_executor()
    finalize(batch.pk, now=timezone.now())
    told = line.decode(errors="replace") if line in UNREADABLE else json.loads(line)
    for at in (f"/v1/batches/{batch}/results?", f"/bifrost/v1/batches/{batch}/results?provider=simulator&"):
        answer = api.get(f"{at}include=request")
        found = json.loads(answer.content)["results"]
        assert [item["request"] if item["custom_id"] == "" else item["custom_id"] for item in found] == ["0", told, "1"]
    shown = json.loads(api.get(f"{NATIVE}/{batch}/results?include=request").content)["data"]
    assert shown[1]["request"] == told
    assert json.loads(api.get(f"{NATIVE}/{batch}/objects/2").content)["request"] == told


@pytest.mark.django_db(transaction=True)  # the executor has a thread of its own
def test_c12_a_line_too_long_to_be_read_takes_no_other_with_it(api: Api, settings: Settings) -> None:
    settings.MAX_LINE_BYTES, settings.SLICE_BYTES = 300, 500
    long = b"x" * 2000 + b"\n"
    file = uploaded(api, lines("m") + long + lines("m").replace(b'"0"', b'"1"'))["id"]
    api.post(NATIVE, {"endpoint": CHAT, "input_file_id": file, "on_invalid": "skip"})
    batch = validated()
    run_executor()
    finalize(batch.pk, now=timezone.now())
    found = api.get(f"/v1/batches/{batch}/results?include=request").json["results"]
    assert [(item["request"] or {}).get("custom_id") for item in found] == ["0", None, "1"]


@pytest.mark.parametrize("word", ["ignore", "SKIP", None, True, ""])
def test_c12_a_bad_choice_is_refused(api: Api, word: object) -> None:
    for path in (NATIVE, OPENAI, BIFROST):
        answer = api.post(path, {"model": "simulator/m", "endpoint": CHAT, "requests": [ITEM], "on_invalid": word})
        assert (answer.status, answer.json["error"]["param"]) == (400, "on_invalid")


def test_c12_requests_in_a_call_of_the_native_api_may_be_skipped(api: Api) -> None:
    items = [ITEM, {"custom_id": 5}, ITEM]
    asked = {"endpoint": CHAT, "model": "m", "requests": items}
    assert api.post(NATIVE, asked).status == 400
    told = api.post(NATIVE, asked | {"on_invalid": "skip", "dry_run": True}).json
    assert (told["valid"], told["requests"], told["problem_count"]) == (True, 3, 2)
    assert api.post(NATIVE, asked | {"on_invalid": "skip"}).status == 201
    batch = validated()
    assert (batch.status, batch.counts.pending, batch.counts.failed) == ("in_progress", 1, 2)


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
