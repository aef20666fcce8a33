"""Reading a JSON object piece by piece, whatever the pieces are that the stream comes in."""

import io
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.rules.lines.json_stream import CHUNK, Item, Malformed, Member, read_members
from tests.rules.lines.conftest import pieces

ODD = (
    b' {\n "model" : "m{[\\"" , "n":-1.5e-7,"t":true, "f" :false,"z":null, "requests"\t:\r\n['
    b'{"a":[1,{"b":"]}"}],"c":"\\\\"}, [] ,{}, "x,]\\"", 12 ,null,\n{"\xc3\xa4":"\\u0000\\ud83d\\ude00 \xf0\x9f\x98\x80"}'
    b'], "last":{"deep":[[[]]]} , "" : "" }\r\n '
)
ODD_PIECES = [
    Member("model", b'"m{[\\""'),
    Member("n", b"-1.5e-7"),
    Member("t", b"true"),
    Member("f", b"false"),
    Member("z", b"null"),
    Item(0, b'{"a":[1,{"b":"]}"}],"c":"\\\\"}'),
    Item(1, b"[]"),
    Item(2, b"{}"),
    Item(3, b'"x,]\\""'),
    Item(4, b"12"),
    Item(5, b"null"),
    Item(6, b'{"\xc3\xa4":"\\u0000\\ud83d\\ude00 \xf0\x9f\x98\x80"}'),
    Member("last", b'{"deep":[[[]]]}'),
    Member("", b'""'),
]


def test_odd_pieces_are_the_same_whatever_the_size_of_the_chunks() -> None:
    assert [chunk for chunk in range(1, len(ODD) + 1) if pieces(ODD, chunk=chunk) != ODD_PIECES] == []


# --- Any object, in any spelling, cut anywhere


SPACE = st.text(alphabet=" \t\n\r", max_size=2)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text(alphabet='{}[]",:\\', max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8)


@st.composite
def spelled(draw: st.DrawFn) -> tuple[bytes, list[Member | Item]]:
    """An object of which one member may be the array, with white space anywhere, and its pieces."""
    members = draw(st.lists(st.tuples(TEXT.filter(lambda name: name != "requests"), VALUES), max_size=4))
    array = draw(st.none() | st.lists(VALUES, max_size=4))
    place = draw(st.integers(0, len(members)))

    def spell(value: object) -> bytes:
        return json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1]))).encode()

    def spaced(*parts: bytes) -> bytes:
        return b"".join(draw(SPACE).encode() + part for part in parts) + draw(SPACE).encode()

    texts: list[bytes] = []
    found: list[Member | Item] = []
    for index in range(len(members) + 1):
        if index == place and array is not None:
            items = [spell(item) for item in array]
            found += [Item(number, item) for number, item in enumerate(items)]
            texts.append(spaced(b'"requests"', b":", b"[", b",".join(map(spaced, items)), b"]"))
        if index < len(members):
            name, value = members[index]
            member = Member(name, spell(value))
            found.append(member)
            texts.append(spaced(spell(name), b":", member.value))
    return spaced(b"{", b",".join(texts), b"}"), found


@given(written=spelled(), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_pieces_are_the_same_however_the_body_is_spelled_and_wherever_it_is_cut(
    written: tuple[bytes, list[Member | Item]], sizes: list[int]
) -> None:
    body, expected = written
    source, turns = io.BytesIO(body), itertools.cycle(sizes)
    assert list(read_members(lambda wanted: source.read(min(wanted, next(turns))), array="requests", max_value_bytes=2**20)) == (
        expected
    )
    for piece in pieces(body, chunk=sizes[0]):
        if isinstance(piece, Member):
            assert body[piece.start : piece.start + len(piece.value)] == piece.value


@given(written=spelled(), data=st.data())
def test_a_body_that_ends_too_early_is_refused_wherever_that_is(
    written: tuple[bytes, list[Member | Item]], data: st.DataObject
) -> None:
    body = written[0].rstrip()
    end = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(Malformed):
        pieces(body[:end], chunk=data.draw(st.integers(1, 9)))


@given(written=spelled(), more=st.binary(min_size=1).filter(lambda more: bool(more.strip(b" \t\n\r"))), chunk=st.integers(1, 9))
def test_what_comes_after_the_object_is_refused_whatever_it_is(
    written: tuple[bytes, list[Member | Item]], more: bytes, chunk: int
) -> None:
    with pytest.raises(Malformed):
        pieces(written[0] + more, chunk=chunk)


@given(
    garbage=st.binary() | st.text(alphabet='{}[]",:\\1 a').map(str.encode), sizes=st.tuples(st.integers(1, 9), st.integers(1, 9))
)
def test_garbage_is_read_alike_in_any_chunks_or_refused_in_all(garbage: bytes, sizes: tuple[int, int]) -> None:
    def read(size: int) -> list[Member | Item] | None:
        try:
            return pieces(garbage, chunk=size)
        except Malformed:
            return None

    assert read(sizes[0]) == read(sizes[1]) == read(CHUNK)


@pytest.mark.parametrize("body", [b"{}", b" { } ", b'{"requests":[]}', b'{"requests" : [ ] }'])
def test_what_is_empty_has_no_pieces(body: bytes) -> None:
    assert pieces(body) == []


def test_an_array_of_another_name_is_a_member() -> None:
    assert pieces(b'{"others":[1,2],"inner":{"requests":[3]}}') == [
        Member("others", b"[1,2]"),
        Member("inner", b'{"requests":[3]}'),
    ]


@pytest.mark.parametrize("value", [b"5", b'"x"', b"null", b'{"requests":[]}'])
def test_what_should_be_the_array_and_is_none_is_a_member(value: bytes) -> None:
    assert pieces(b'{"requests":' + value + b"}") == [Member("requests", value)]


def test_a_name_is_the_same_however_it_is_written() -> None:
    assert pieces(rb'{"\u0072equests":[1],"m\u00f6del":2}') == [Item(0, b"1"), Member("mödel", b"2")]


@pytest.mark.parametrize("name", [rb"\q", rb"\ud800", b"\xff", b"\x01", b"\n"])
def test_a_name_that_is_no_json_text_is_refused(name: bytes) -> None:
    with pytest.raises(Malformed, match="byte 8"):
        pieces(b'{"a":1, "' + name + b'":2}')


def test_a_member_knows_where_its_value_begins() -> None:
    (first, second) = pieces(b'{ "a" : 1, "bc":\n[2]}', chunk=3)
    assert [piece.start for piece in (first, second) if isinstance(piece, Member)] == [8, 17]


BROKEN = [
    b"",
    b" ",
    b"[]",
    b"5",
    b'"x"',
    b"{",
    b"{,}",
    b'{"a"',
    b'{"a":',
    b'{"a":}',
    b'{"a":1',
    b'{"a":1,',
    b'{"a":1,}',
    b'{"a":1 2}',
    b'{"a":1}}',
    b'{"a":1}x',
    b'{"a":1}{"b":2}',
    b"{a:1}",
    b"{'a':1}",
    b"{1:1}",
    b'{"a":"',
    b'{"a":"\\',
    b'{"a":"\\"',
    b'{"a":[1',
    b'{"a":[1}',
    b'{"a":{"b":"]}',
    b'{"a" 1}',
    b'{"a",1}',
    b'{"requests":[',
    b'{"requests":[,]}',
    b'{"requests":[1,]}',
    b'{"requests":[1 2]}',
    b'{"requests":[1}',
    b'{"requests":[1]',
    b'{"requests":[]]}',
    b'{"requests":[1],"requests":[1]}',
    b"\xef\xbb\xbf{}",
    b"\x00",
]


def test_a_broken_structure_is_refused_in_any_chunks() -> None:
    for body in BROKEN:
        for chunk in (1, 2, 3, CHUNK):
            with pytest.raises(Malformed):
                pytest.fail(f"{body!r} in chunks of {chunk} was read as {pieces(body, chunk=chunk)}")


def test_brackets_that_do_not_match_are_left_to_who_decodes_the_piece() -> None:
    assert pieces(b'{"a":[1}}') == [Member("a", b"[1}")]
    with pytest.raises(json.JSONDecodeError):
        json.loads(b"[1}")


def test_a_refusal_names_the_byte() -> None:
    with pytest.raises(Malformed, match=r"'\}' or ','|',' or '\}'.*'x' \(byte 7\)"):
        pieces(b'{"a":1 x}')


def test_a_piece_comes_before_the_rest_of_the_stream_is_read() -> None:
    read: list[int] = []

    def endless(_: int) -> bytes:
        read.append(1)
        return b'{"requests":[' if len(read) == 1 else b'{"n":1},'

    items = read_members(endless, array="requests", max_value_bytes=100)
    assert [next(items) for _ in range(3)] == [Item(index, b'{"n":1}') for index in range(3)]
    assert len(read) < 8
