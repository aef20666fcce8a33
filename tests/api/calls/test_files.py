"""Files and providers."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings

from batches.api.fields.spending import ShownProvider
from batches.models import File, Project
from providers.models import Provider
from tests.api.conftest import Native, problem

UNKNOWN = "file-" + "0" * 32


def test_a_file_is_uploaded_read_and_deleted(native: Native) -> None:
    made = native.upload(b'{"a": 1}\n', name="../jobs.jsonl", lifetime_seconds=3600)
    assert made.status == 201
    shown = made.json
    assert made.headers["Location"] == shown["links"]["self"]
    assert (shown["project"], shown["purpose"], shown["filename"], shown["bytes"]) == ("acme", "batch", "jobs.jsonl", 9)
    stored = File.objects.get()
    assert stored.expires_at is not None
    assert (stored.expires_at - stored.created_at).total_seconds() == 3600
    assert native.get(f"files/{shown['id']}").json == shown
    assert [file["id"] for file in native.get("files").json["data"]] == [shown["id"]]
    content = native.get(shown["links"]["content"].removeprefix("http://testserver"))
    assert (content.content, content.headers["Content-Type"]) == (b'{"a": 1}\n', "application/octet-stream")
    assert (native.delete(f"files/{shown['id']}").status, native.get(f"files/{shown['id']}").status) == (204, 404)
    assert native.get("files").json["data"] == []


def test_files_are_paged_and_filtered_by_purpose(native: Native) -> None:
    made = [native.upload(purpose=purpose).json["id"] for purpose in ("batch", "user_data", "batch")]
    first = native.get("files?limit=2").json
    rest = native.get(first["next"].removeprefix("http://testserver")).json
    assert [file["id"] for file in first["data"] + rest["data"]] == made[::-1]
    assert [file["id"] for file in native.get("files?purpose=user_data").json["data"]] == [made[1]]


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({}, "file"),
        ({"file": "text"}, "file"),
        ({"file": SimpleUploadedFile("a", b"")}, "file"),
        ({"file": [SimpleUploadedFile("a", b"1"), SimpleUploadedFile("b", b"2")]}, "file"),
        ({"file": SimpleUploadedFile("a", b"1"), "purpose": "batch_output"}, "purpose"),
        ({"file": SimpleUploadedFile("a", b"1"), "lifetime_seconds": "5"}, "lifetime_seconds"),
        ({"file": SimpleUploadedFile("a", b"1"), "lifetime_seconds": "soon"}, "lifetime_seconds"),
        ({"file": SimpleUploadedFile("a", b"1"), "project": "globex"}, "project"),
        ({"file": SimpleUploadedFile("a", b"1"), "colour": "red"}, "colour"),
        ({"file": SimpleUploadedFile("a", b"1"), "other": SimpleUploadedFile("b", b"1")}, "other"),
    ],
)
def test_a_bad_upload_is_refused_by_name(native: Native, form: dict[str, object], param: str) -> None:
    answer = native.post_form("files", form)
    assert (answer.status, problem(answer)["param"]) == (400, param)
    assert not File.objects.exists()


def test_an_upload_of_another_kind_or_size_is_refused(native: Native, settings: Settings) -> None:
    assert native.post("files", {"file": "x"}).status == 415
    settings.MAX_BATCH_FILE_BYTES = 2
    assert native.upload(b"123").status == 413
    settings.MAX_FILE_BYTES = -(2**20)
    assert native.upload(b"123").status == 413


@pytest.mark.parametrize("identifier", [UNKNOWN, "x", "%00", "a" * 3000])
def test_a_file_that_is_not_there_is_not_found(native: Native, identifier: str) -> None:
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answer = native.call(method, f"files/{identifier}{path}")
        assert answer.status == 404
        problem(answer)


def test_a_file_whose_bytes_are_gone_says_so(native: Native) -> None:
    identifier = native.upload().json["id"]
    file = File.objects.get()
    file.content.storage.delete(str(file.content.name))
    assert problem(native.get(f"files/{identifier}/content"))["code"] == "content_gone"


@pytest.mark.parametrize("query", ["purpose=other", "limit=x", "cursor=x", "colour=red", f"cursor={UNKNOWN}"])
def test_a_parameter_of_the_list_that_is_not_understood_is_refused_by_name(native: Native, query: str) -> None:
    assert problem(native.get(f"files?{query}"))["param"] == query.partition("=")[0]


def test_providers_that_are_granted_are_shown_without_secrets(native: Native, project: Project) -> None:
    for name in ("granted", "foreign"):
        provider = Provider(name=name, adapter="openai", base_url="https://api.example.com/v1", granted_to_all=False)
        provider.set_credential("sk-very-secret")
        provider.options = {"headers": {"X-Token": "very-secret"}}
        provider.save()
    Provider.objects.get(name="granted").grants.create(project=project)
    answer = native.get("providers")
    assert [(shown["name"], shown["simulated"]) for shown in answer.json["data"]] == [("granted", False), ("simulator", True)]
    assert answer.json["data"][0].keys() == ShownProvider().fields.keys()
    assert "/v1/chat/completions" in answer.json["data"][0]["endpoints"]
    assert b"secret" not in answer.content
    assert native.get("providers/granted").json == answer.json["data"][0]
    for name in ("foreign", "nothing", "%00"):
        assert native.get(f"providers/{name}").status == 404
