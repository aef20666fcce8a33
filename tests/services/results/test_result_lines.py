"""C9: no failure looks like a success, on any face. C10: no reader splits a line. U14: every answer has an id."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from batches.api.calls.contents import _result
from batches.dialects.anthropic.outbound import result_lines
from batches.dialects.merge.outbound import created_id
from batches.dialects.shared.result_documents import result_item
from batches.http.rendering import encode
from batches.rules.lines import jsonl
from batches.rules.states import ObjectStatus
from batches.services.results.object_result import ObjectResult, result_line

CHAT = "/v1/chat/completions"
SEPARATED = "a\u0085b\u2028c\u2029d"


def result(**changes: Any) -> ObjectResult:
    """A failure, but for the changes."""
    values: dict[str, Any] = {
        "id": uuid7(),
        "line": 1,
        "custom_id": "row-1",
        "status": ObjectStatus.FAILED.value,
        "round": 1,
        "attempts": 1,
        "http_status": 500,
        "latency_ms": 5,
        "request_id": "req_up",
        "error_code": "server_error",
        "error_message": "It failed.",
        "body": '{"error":{"message":"It failed."}}',
    }
    return ObjectResult(**(values | changes))


def line(found: ObjectResult) -> Any:
    return json.loads(result_line(found))


ANSWERS: dict[str, Callable[[ObjectResult], Any]] = {
    "file": line,
    "bifrost": lambda found: json.loads(encode(result_item(found, endpoint=CHAT))),
    "native": lambda found: json.loads(encode(_result(found, None))),
}
every_face = pytest.mark.parametrize("face", ANSWERS)


@every_face
@pytest.mark.parametrize("http_status", [200, 201, 204, 301])
@pytest.mark.parametrize("body", ['{"choices":[]}', "{}", '"data: x"', "null"])
def test_c9_an_answer_that_looked_like_a_success_is_told_as_502_with_its_reason(face: str, http_status: int, body: str) -> None:
    shown = ANSWERS[face](result(http_status=http_status, body=body, error_code="unconfirmed"))
    assert shown["response"]["status_code"] == 502
    assert shown["error"] == {"code": "unconfirmed", "message": "It failed."}


@every_face
@pytest.mark.parametrize("http_status", [400, 404, 429, 500, 502])
def test_c9_any_other_status_is_told_as_it_was(face: str, http_status: int) -> None:
    shown = ANSWERS[face](result(http_status=http_status))
    assert shown["response"]["status_code"] == http_status
    assert shown.get("error") is None


@every_face
@pytest.mark.parametrize("body", ['"<html>Bad Gateway</html>"', '"no"', "null", "[1]", "7"])
def test_c9_the_body_of_an_error_is_an_object_that_says_why(face: str, body: str) -> None:
    error = ANSWERS[face](result(body=body))["response"]["body"]["error"]
    assert (error["message"], error["code"], error["param"]) == ("It failed.", "server_error", None)
    assert error["body"] == json.loads(body), "what the upstream sent is not lost"


@every_face
@pytest.mark.parametrize(
    ("body", "expected"), [("null", {}), ("[1.10]", {"data": [1.1]}), ('"x"', {"data": "x"}), ('{"a":1}', {"a": 1})]
)
def test_c9_the_body_of_a_success_is_an_object_too(face: str, body: str, expected: Any) -> None:
    found = result(status=ObjectStatus.SUCCEEDED.value, http_status=200, body=body)
    assert ANSWERS[face](found)["response"]["body"] == expected


def test_c9_anthropics_lines_say_errored_whatever_the_status() -> None:
    for body in ("{}", '"x"', '{"type":"message","content":[]}'):
        (shown,) = b"".join(result_lines([result(http_status=200, body=body)])).splitlines()
        found = json.loads(shown)["result"]
        assert found["type"] == "errored"
        assert found["error"]["error"] == {"type": "api_error", "message": "It failed."}


def test_c9_messages_on_bifrosts_face_are_objects() -> None:
    shown = json.loads(encode(result_item(result(body='"x"'), endpoint="/v1/messages")))
    assert shown["result"]["type"] == "errored"
    assert shown["result"]["message"]["error"]["message"] == "It failed."


def test_c10_every_writer_of_lines_escapes_what_readers_take_for_a_line_end() -> None:
    body = json.dumps({"error": {"message": SEPARATED}}, ensure_ascii=False)
    found = result(custom_id=SEPARATED, request_id=SEPARATED, body=body)
    lost = result(custom_id=SEPARATED, error_code=SEPARATED, error_message=SEPARATED, body="")
    written = [
        result_line(found),
        result_line(lost),
        b"".join(result_lines([found])),
        b"".join(result_lines([lost])),
        encode(result_item(found, endpoint=CHAT)),
        jsonl.request_line(custom_id=SEPARATED, url=CHAT, body=json.dumps([SEPARATED], ensure_ascii=False).encode()),
    ]
    for content in written:
        assert len(content.decode().splitlines()) == 1
        assert SEPARATED in json.dumps(json.loads(content), ensure_ascii=False), "the values are the same"


def test_u3_a_line_with_half_a_surrogate_pair_is_read_back_as_it_was() -> None:
    body = r'{"choices":[{"text":"cut \ud83d","n":1.10}],"s":"\"body\":\\"}'
    found = result(status=ObjectStatus.SUCCEEDED.value, http_status=200, custom_id='a"body":{}', body=body)
    stored = jsonl.read_result(result_line(found))
    assert (stored.custom_id, stored.body) == ('a"body":{}', body)


def test_u3_a_record_is_found_in_an_answer_with_half_a_pair() -> None:
    assert created_id(r'{"id":"inv_1","note":"cut \ud83d"}', "id") == "inv_1"
