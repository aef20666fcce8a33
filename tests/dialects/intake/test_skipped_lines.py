"""C12: a client may have invalid lines skipped, and every skipped line is told."""

import json

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.services.lifecycle.finalize import finalize
from tests.cast import assert_counts_are_true, run_executor
from tests.dialects.intake.conftest import BIFROST, ITEM, NATIVE, OPENAI, lines, uploaded, validated
from tests.dialects.openai.conftest import CHAT, Api

pytestmark = pytest.mark.django_db


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
