"""Reading input files piece by piece, and writing result lines."""

import io
import json
import tracemalloc
import uuid

import msgspec
import pytest

from batches.rules.lines import jsonl
from batches.rules.lines.jsonl import MAX_DEPTH, complaint, error_line, is_too_deep, read_lines, response_line

BOM = b"\xef\xbb\xbf"
FILES = [
    b"",
    b"\n",
    b"\n\n\n",
    b"a",
    b"a\n",
    b"1\n2",
    b"one\ntwo\nthree\n",
    b"one\ntwo\nthree",
    b"one\r\ntwo\r\n",
    b"one\n\n \t\r\ntwo\n\n",
    BOM + b"one\ntwo",
    BOM,
    BOM + b"\n",
    b"one\n" + BOM + b"two\n",
    b"\xef\xbb",
    b"  padded \t\r\n  twice\n",
    "žluťoučký\nкот\n".encode(),
    b"short\n" + b"x" * 40 + b"\nshort again\n" + b"y" * 41,
]


def expected(content: bytes, *, limit: int) -> list[tuple[int, int, int, bytes | None]]:
    """The same by the simplest means."""
    start = len(BOM) if content.startswith(BOM) else 0
    found: list[tuple[int, int, int, bytes | None]] = []
    for number, line in enumerate(content[start:].split(b"\n"), start=1):
        end = start + len(line)
        if len(line) > limit:
            found.append((number, start, end, None))
        elif stripped := line.strip(b" \t\r"):
            found.append((number, start, end, stripped))
        start = end + 1
    return found


def read(content: bytes, *, limit: int = 1000) -> list[tuple[int, int, int, bytes | None]]:
    lines = read_lines(io.BytesIO(content), max_line_bytes=limit)
    return [(line.number, line.start, line.end, line.content) for line in lines]


@pytest.mark.parametrize("content", FILES)
@pytest.mark.parametrize("limit", [1000, 12])
def test_lines_are_the_same_wherever_a_chunk_ends(content: bytes, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in range(1, len(content) + 2):
        monkeypatch.setattr(jsonl, "CHUNK", size)
        assert read(content, limit=limit) == expected(content, limit=limit), f"chunks of {size}"


@pytest.mark.parametrize("content", FILES)
def test_a_lines_range_holds_its_content(content: bytes) -> None:
    for _, start, end, line in read(content):
        assert content[start:end].strip() == line


def test_blank_lines_count_but_are_not_lines() -> None:
    assert [(number, line) for number, _, _, line in read(b"\n\na\n\r\nb")] == [(3, b"a"), (5, b"b")]


def test_a_byte_order_mark_belongs_to_no_line_but_to_the_offsets() -> None:
    assert read(BOM + b"a\nb\n") == [(1, 3, 4, b"a"), (2, 5, 6, b"b")]


def test_a_line_of_exactly_the_limit_is_kept_and_one_byte_more_is_not() -> None:
    assert [line for *_, line in read(b"x" * 10 + b"\n" + b"y" * 11 + b"\nz", limit=10)] == [b"x" * 10, None, b"z"]


def test_a_line_over_the_limit_is_never_held_whole() -> None:
    class Endless(io.RawIOBase):
        """Serves one line of fifty megabytes out of nothing."""

        left = 50 * 1024**2

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            given = min(size, self.left)
            self.left -= given
            return b"x" * given

    tracemalloc.start()
    [line] = read_lines(Endless(), max_line_bytes=1000)  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (line.number, line.start, line.end, line.content) == (1, 0, 50 * 1024**2, None)
    assert peak < 8 * 1024**2


@pytest.mark.parametrize(
    ("document", "levels"),
    [
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, MAX_DEPTH),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), MAX_DEPTH + 1),
        (b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH, MAX_DEPTH),
        (b'{"a":[' * MAX_DEPTH + b"]}" * MAX_DEPTH, 2 * MAX_DEPTH),
        (b"[" + b"[]," * 5000 + b"{}]", 2),
        (b'["' + b"[" * 5000 + b'"]', 1),
        (b'["\\"' + b"[" * 5000 + b'","\\\\"]', 1),
        (b'["\\\\",' + b"[" * 300 + b"]" * 300 + b"]", 301),
        (b'["\\\\\\"' + b"{" * 5000 + b'"]', 1),
    ],
)
def test_depth_is_that_of_the_brackets_outside_strings(document: bytes, levels: int) -> None:
    json.loads(document)
    assert is_too_deep(document) == (levels > MAX_DEPTH)


def test_a_response_line_holds_the_body_byte_for_byte() -> None:
    identifier = uuid.uuid4()
    body = '{"big":123456789012345678901234567890,"small":1.10,"text":"\\u00e9 é 🙂 \\/"}'
    line = response_line(identifier, custom_id='a "b"\n', http_status=200, request_id="req_1", body=body)
    assert (
        line
        == (
            f'{{"id":"batch_req_{identifier.hex}","custom_id":"a \\"b\\"\\n",'
            f'"response":{{"status_code":200,"request_id":"req_1","body":{body}}},"error":null}}\n'
        ).encode()
    )


def test_an_error_line_has_no_response() -> None:
    identifier = uuid.uuid4()
    assert json.loads(error_line(identifier, custom_id="a", code="batch_expired", message="Too late.")) == {
        "id": f"batch_req_{identifier.hex}",
        "custom_id": "a",
        "response": None,
        "error": {"code": "batch_expired", "message": "Too late."},
    }


def test_dumped_json_is_one_line_without_nan() -> None:
    assert jsonl.dump({"a": "é\n"}) == '{"a":"é\\n"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        jsonl.dump(float("nan"))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b'{"a":NaN}', "invalid character (byte 105)"),
        (b'{"a":"x', "it ends too early"),
        (rb'{"a":"\ud83c\udf89 \\ud800 \ud83c"}', "half of a surrogate pair (byte 127)"),
        (rb'{"a":"\udf89"}', "half of a surrogate pair (byte 106)"),
        (rb'{"a":"\ud83c, then"}', "half of a surrogate pair (byte 106)"),
        (b'{"a":1e999}', "Number out of range"),
        (b'{"a":[' + b"9" * 5000 + b"]}", "Integer value out of range"),
    ],
)
def test_what_makes_a_document_no_json_is_said_with_its_place(document: bytes, message: str) -> None:
    with pytest.raises(msgspec.DecodeError) as refused:
        msgspec.json.decode(document)
    assert complaint(refused.value, document, start=100) == message
