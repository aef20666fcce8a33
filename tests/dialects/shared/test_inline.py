"""Create bodies with requests inline: what becomes of them, line by line, and what is refused."""

import io
import json
from typing import Any

import msgspec
import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from batches.dialects.shared.inline import HEAD_BYTES, InlineBody, InlineRequest, decode_item
from batches.http.errors import InvalidBody, InvalidValue, RequestTimeout
from batches.rules.errors import TooLarge
from batches.rules.lines.jsonl import MAX_DEPTH


class Item(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw


DECODER = msgspec.json.Decoder(Item)


def read_item(index: int, raw: bytes) -> InlineRequest:
    item: Item = decode_item(DECODER, raw, where=f"requests.{index}")
    return InlineRequest(item.custom_id, "/v1/things", bytes(item.body))


def posted(body: bytes) -> WSGIRequest:
    return RequestFactory().post("/", body, content_type="application/json")


def inline(body: bytes, *, max_bytes: int = 2**20, max_items: int = 100, max_item_bytes: int = 2**16) -> InlineBody:
    return InlineBody(posted(body), array="requests", max_bytes=max_bytes, max_items=max_items, max_item_bytes=max_item_bytes)


def item(custom_id: str = "a", body: str = "{}") -> str:
    return f'{{"custom_id":"{custom_id}","body":{body}}}'


def body_of(*items: str, **head: Any) -> bytes:
    members = "".join(f'"{name}":{json.dumps(value)},' for name, value in head.items())
    return f'{{{members}"requests":[{",".join(items)}]}}'.encode()


def test_items_become_lines_and_the_rest_is_the_head() -> None:
    body = body_of(item("a", '{"n":1.0}'), item("b", "[2]"), model="m", metadata={"team": "ops"})
    read = inline(body)
    assert list(read.lines(read_item)) == [
        b'{"custom_id":"a","method":"POST","url":"/v1/things","body":{"n":1.0}}\n',
        b'{"custom_id":"b","method":"POST","url":"/v1/things","body":[2]}\n',
    ]
    assert read.head == {"model": "m", "metadata": {"team": "ops"}}
    assert (read.count, read.has_array) == (2, True)


def digest_of(body: bytes) -> str:
    read = inline(body)
    list(read.lines(read_item))
    return read.digest


def test_a_document_is_known_by_what_it_says_and_not_by_its_white_space() -> None:
    """C5: what tells one create call from another."""
    first = body_of(item("a", '{"n":1.0}'), item("b", "[2]"), model="m", metadata={"team": "ops"})
    spaced = first.replace(b",", b" ,\n\t").replace(b":", b": ")
    assert digest_of(first) == digest_of(spaced)
    assert digest_of(body_of(item("a", "[1]"), model="m", team="o")) == digest_of(body_of(item("a", "[1]"), team="o", model="m"))
    others = [body_of(item("a", '{"n":1}')), body_of(item("a", '{"n":1.0}')), body_of(item("a", '{"n":1.0}'), model="m")]
    others += [body_of(item("a", "1"), item("b", "2")), body_of(item("b", "2"), item("a", "1")), body_of(item("ab", "12"))]
    assert len({digest_of(body) for body in others}) == len(others)


def test_a_head_may_come_after_the_items() -> None:
    read = inline(b'{"requests":[' + item().encode() + b'],"model":"m"}')
    assert len(list(read.lines(read_item))) == 1
    assert read.head == {"model": "m"}


def test_bodies_keep_every_byte_but_line_ends_between_tokens() -> None:
    (line,) = inline(body_of(item("a", '{"n": 12345678901234567890123, "t":\n "\\u00e4\\/ä"}'))).lines(read_item)
    assert line.count(b"\n") == 1
    assert json.loads(line)["body"] == {"n": 12345678901234567890123, "t": "ä/ä"}
    (line,) = inline(body_of(item("a", '{"n": 1.10,  "t":"\\u00e4\\/ä"}'))).lines(read_item)
    assert '"body":{"n": 1.10,  "t":"\\u00e4\\/ä"}}\n'.encode() in line


def test_a_member_that_is_no_json_is_refused_with_its_place_in_the_whole_body() -> None:
    body = b'{"requests":[' + item().encode() + b'],"metadata":{"a":NaN}}'
    with pytest.raises(InvalidBody) as refused:
        list(inline(body).lines(read_item))
    assert f"(byte {body.index(b'NaN')})" in refused.value.message


def test_a_nul_is_found_in_a_name_too() -> None:
    for body, param in ((rb'{"a":{"b\u0000":1}}', "a.b␀"), (rb'{"\u0000":1}', "␀")):
        with pytest.raises(InvalidBody) as refused:
            list(inline(body).lines(read_item))
        assert refused.value.param == param


def test_without_the_array_there_are_no_lines() -> None:
    read = inline(b'{"input_file_id":"file-1","requests":null}')
    assert list(read.lines(read_item)) == []
    assert (read.count, read.has_array) == (0, False)
    assert read.head == {"input_file_id": "file-1", "requests": None}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"a":tru}', b'{"a":"\xff"}', b'{"a":NaN}', b'{"a":"\\u0000"}', b'{"requests":[{]}', b'{"requests":[{}'],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises((InvalidBody, InvalidValue)):
        list(inline(body).lines(read_item))


@pytest.mark.parametrize(
    ("raw", "place", "word"),
    [
        ("5", "requests.1: ", "object"),
        ("{}", "requests.1: ", "custom_id"),
        ('{"custom_id":5,"body":{}}', "requests.1.custom_id: ", "str"),
        ('{"custom_id":"x"}', "requests.1: ", "body"),
        ('{"custom_id":"x","body":tru}', "requests.1: ", "JSON"),
        ('{"custom_id":"x","body":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", "requests.1: ", "deep"),
        ('{"custom_id":"x","body":' + "[" * 50_000 + "]" * 50_000 + "}", "requests.1: ", "deep"),
    ],
)
def test_an_item_that_cannot_be_read_is_named_by_its_place(raw: str, place: str, word: str) -> None:
    with pytest.raises((InvalidValue, InvalidBody)) as refused:
        list(inline(body_of(item(), raw), max_item_bytes=2**20).lines(read_item))
    assert refused.value.message.startswith(place)
    assert word in refused.value.message


def test_an_item_that_is_no_utf_8_is_named_by_its_place() -> None:
    with pytest.raises(InvalidValue, match=r"^requests\.0: it is not valid UTF-8"):
        list(inline(b'{"requests":[{"custom_id":"a","body":"\xff"}]}').lines(read_item))


def test_ids_are_unique() -> None:
    with pytest.raises(InvalidValue, match=r"^requests\.2: 'a' is the id of item 0 already"):
        list(inline(body_of(item("a"), item("b"), item("a"))).lines(read_item))


def test_there_may_be_so_many_items_and_no_more() -> None:
    items = [item(str(number)) for number in range(4)]
    assert len(list(inline(body_of(*items), max_items=4).lines(read_item))) == 4
    with pytest.raises(InvalidValue, match="at most 3 items"):
        list(inline(body_of(*items), max_items=3).lines(read_item))


def test_a_body_may_have_so_many_bytes_and_no_more() -> None:
    body = body_of(item())
    assert len(list(inline(body, max_bytes=len(body)).lines(read_item))) == 1
    with pytest.raises(TooLarge):
        list(inline(body, max_bytes=len(body) - 1).lines(read_item))


def test_a_line_may_have_so_many_bytes_and_no_more() -> None:
    body = body_of(item("a", json.dumps("x" * 100)))
    (line,) = inline(body).lines(read_item)
    assert list(inline(body, max_item_bytes=len(line)).lines(read_item)) == [line]
    with pytest.raises(TooLarge, match="requests"):
        list(inline(body, max_item_bytes=len(line) - 1).lines(read_item))


@pytest.mark.parametrize("head", [{"a": "x" * HEAD_BYTES}, {f"name{number}": "x" * 10 for number in range(50_000)}])
def test_the_head_is_bounded_however_it_is_cut(head: dict[str, str]) -> None:
    with pytest.raises(TooLarge, match="besides requests"):
        list(inline(body_of(item(), **head), max_bytes=2**23, max_item_bytes=2**23).lines(read_item))


def test_a_body_that_ends_before_its_announced_length_is_refused() -> None:
    request = posted(b"")
    request._stream = io.BytesIO(b'{"requests":[')
    read = InlineBody(request, array="requests", max_bytes=100, max_items=1, max_item_bytes=100)
    with pytest.raises(InvalidBody):
        list(read.lines(read_item))


def test_a_connection_that_breaks_is_the_clients_error() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: object) -> int:
            raise OSError("connection reset")

    request = posted(b"")
    request._stream = io.BufferedReader(Broken())
    read = InlineBody(request, array="requests", max_bytes=100, max_items=1, max_item_bytes=100)
    with pytest.raises(RequestTimeout):
        list(read.lines(read_item))
