"""U3: JSON that is legal but odd is a success. U4: what cannot be read was paid. C10: separators of lines are escaped."""

import json
from typing import Any

import msgspec
import pytest

from providers.failures import Kind
from providers.judgement.documents import as_json, one_line
from tests.providers.judgement.replies import KEY, failure, judged, success


def chat(content: bytes, *, more: bytes = b"") -> bytes:
    """A chat completion as raw bytes."""
    return b'{"choices":[{"index":0,"message":{"content":' + content + b'},"finish_reason":"stop"}]' + more + b"}"


@pytest.mark.parametrize(
    "body",
    [
        chat(rb'"cut \ud83d"'),
        chat(rb'"\udc00 the other half"'),
        chat(rb'"both \ud83d\ude00, then \ud83d\n"'),
        chat(b'"x"', more=rb',"\ud83d":1'),
        chat(b'"x"', more=b',"n":1e999,"m":-1e-999'),
        chat(b'"x"', more=b',"n":' + b"9" * 5000),
        chat(b'"x"', more=b',"usage":{"prompt_tokens":1e999}'),
        chat(b'"x"', more=b',"n":' + b"[" * 300 + b"]" * 300),
        chat(b'"x"', more=b',"n":1,"n":2'),
        chat(b'"x"', more=rb',"t":"\/\u0000\u2028"'),
        chat(b'""'),
    ],
    ids=range(11),
)
def test_u3_a_legal_but_odd_document_is_a_success_and_stays_as_it_is(body: bytes) -> None:
    assert success(judged(body)).body == body


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b" \n", b"\xef\xbb\xbf \r\n", b"\t"])
@pytest.mark.parametrize("content", [b'"four"', rb'"cut \ud83d"', '"ä"'.encode()])
def test_u3_a_byte_order_mark_and_white_space_around_are_removed(before: bytes, content: bytes) -> None:
    assert success(judged(before + chat(content) + b"\r\n ")).body == chat(content)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_u3_other_encodings_of_unicode_are_written_as_utf_8(encoding: str) -> None:
    body = chat('"vier: ä"'.encode())
    assert success(judged(body.decode().encode(encoding))).body == body


def test_u3_a_pretty_printed_document_with_half_a_pair_becomes_one_line() -> None:
    body = success(judged(b'{\r\n "choices": [\n{"text": "\\ud83d"}\r\n]\n}', endpoint="/v1/completions")).body
    assert b"\n" not in body
    assert b"\r" not in body
    assert json.loads(body) == {"choices": [{"text": "\ud83d"}]}


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"choices":[{"delta":{"content":"four"}}]}\n\ndata: [DONE]\n\n',
        b"<html><body>Welcome</body></html>",
        b"four",
        b"",
        b"\xef\xbb\xbf",
        chat(b"NaN"),
        chat(b"-Infinity"),
        chat(b'"a\x01b"'),
        chat(b'"a\nb"'),
        chat(b'"a\xffb"'),
        chat(b'"four"')[:-7],
        chat(b'"four"') + chat(b'"five"'),
        chat(b"01"),
        b"{'choices': [{}]}",
        b'{"choices":[{}],}',
        b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=range(16),
)
def test_u4_a_2xx_that_cannot_be_read_was_paid_and_is_not_sent_again(body: bytes) -> None:
    found = failure(judged(body))
    assert (found.kind, found.code, found.http_status, found.is_final) == (Kind.UNCONFIRMED, "unconfirmed", 200, True)
    assert found.message.startswith("The upstream answered 200, but not with JSON: ")
    assert "It begins with '" in found.message or not body.strip(b"\xef\xbb\xbf")
    assert "\n" not in found.message
    if found.body:
        msgspec.json.decode(found.body)


def test_u4_the_first_bytes_are_in_the_message() -> None:
    found = failure(judged(b'data: {"choices":[]}\n\n' + b"x" * 9000))
    assert 'data: {"choices":[]} xxx' in found.message
    assert len(found.message) < 400


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_u4_what_is_no_success_is_judged_by_its_status_whatever_its_body(status: int) -> None:
    kinds = {failure(judged(body, status=status)).kind for body in (b"<html>", b"", b"data: x", b"[1", b"\xff", b"NaN", b"{}")}
    assert len(kinds) == 1
    assert Kind.UNCONFIRMED not in kinds


SEPARATED = "first\u0085second\u2028third\u2029fourth"


def test_c10_separators_of_lines_are_written_as_escapes() -> None:
    body = success(judged(chat(json.dumps(SEPARATED, ensure_ascii=False).encode()))).body
    assert len(body.decode().splitlines()) == 1
    assert json.loads(body)["choices"][0]["message"]["content"] == SEPARATED


@pytest.mark.parametrize("body", [SEPARATED.encode(), json.dumps({"error": {"message": SEPARATED}}, ensure_ascii=False).encode()])
def test_c10_also_in_the_body_of_a_failure(body: bytes) -> None:
    assert len(failure(judged(body, status=500)).body.decode().splitlines()) == 1


@pytest.mark.parametrize("text", ["ä", "漢字", "é\u2027", "\u00a0", "\u0084\u0086"])
def test_c10_other_characters_stay_as_they_are(text: str) -> None:
    document = json.dumps([text], ensure_ascii=False).encode()
    assert one_line(document) == as_json(document) == document


def test_u14_an_answer_without_a_request_id_has_the_key_that_it_was_sent_under() -> None:
    assert success(judged(chat(b'"x"'))).request_id == KEY
    assert failure(judged(b"{}", status=400)).request_id == KEY
    assert failure(judged(b"<html>")).request_id == KEY
    assert success(judged(chat(b'"x"'), x_request_id="")).request_id == KEY


@pytest.mark.parametrize("name", ["x_request_id", "request_id", "apim_request_id", "x_amzn_requestid"])
def test_u14_the_upstreams_own_id_goes_first(name: str) -> None:
    headers: dict[str, Any] = {name: "req_9"}
    assert success(judged(chat(b'"x"'), **headers)).request_id == "req_9"
