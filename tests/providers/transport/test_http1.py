"""Reading answers: whatever the pieces they come in, and nothing that is not plainly HTTP/1.1."""

import gc
import weakref

import pytest

from providers.transport.http1 import Answer
from providers.transport.interface import ConnectionLost, MaxBytes, NotHttp, Reply

MOST = MaxBytes(success=100, other=10)
OK = b"HTTP/1.1 200 OK\r\n"


def read(*pieces: bytes, ended: bool = False) -> tuple[Reply, bool] | None:
    """What the pieces amount to, and whether the connection lasts; None when there must be more."""
    answer = Answer(MOST)
    for piece in pieces:
        if answer.feed(piece):
            return answer.reply, answer.lasting
    if ended:
        answer.end()
        return answer.reply, answer.lasting
    return None


def bytewise(content: bytes) -> list[bytes]:
    return [content[index : index + 1] for index in range(len(content))]


ANSWERS = {
    "of a length": (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "of no length at all": (OK + b"content-length:0\r\n\r\n", b""),
    "without a reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
    "in chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", b"hello"),
    "in chunks, with trailers": (OK + b"transfer-encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n", b"hi"),
    "after interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi",
        b"hi",
    ),
    "that has no body": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "kept open by an old server": (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
}


@pytest.mark.parametrize("content", [content for content, _ in ANSWERS.values()], ids=ANSWERS)
def test_an_answer_is_the_same_in_one_piece_and_byte_by_byte(content: bytes) -> None:
    whole, pieces = read(content), read(*bytewise(content))

    assert whole == pieces
    assert whole is not None
    assert whole[1], "the connection lasts"


@pytest.mark.parametrize(("content", "body"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_has_its_body(content: bytes, body: bytes) -> None:
    found = read(content)

    assert found is not None
    assert found[0].body == body
    assert found[0].whole


@pytest.mark.parametrize("content", [content for content, _ in ANSWERS.values()], ids=ANSWERS)
def test_an_answer_that_breaks_off_is_none(content: bytes) -> None:
    for end in range(1, len(content)):
        assert read(content[:end]) is None
        with pytest.raises(ConnectionLost):
            read(content[:end], ended=True)


def test_a_body_without_a_length_goes_to_the_end_of_the_connection() -> None:
    assert read(OK + b"\r\nhel", b"lo") is None

    found = read(OK + b"\r\nhel", b"lo", ended=True)

    assert found == (Reply(200, {}, b"hello"), False)


@pytest.mark.parametrize(
    "content",
    [
        OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi",
        OK + b"Connection: x, Close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        OK + b"Content-Length: 2\r\n\r\nhi and more",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nmore",
    ],
    ids=["told to close", "told to close, in chunks", "an old server", "more than the length", "more than the chunks"],
)
def test_a_connection_does_not_last(content: bytes) -> None:
    found = read(content)

    assert found is not None
    assert (found[0].body, found[1]) == (b"hi", False)


@pytest.mark.parametrize(("status", "limit"), [(200, MOST.success), (299, MOST.success), (300, MOST.other), (500, MOST.other)])
@pytest.mark.parametrize("framing", ["length", "chunks", "one chunk", "the end"])
def test_no_more_of_a_body_is_read_than_wanted(status: int, limit: int, framing: str) -> None:
    size = limit + 50
    head, body = {
        "length": (b"Content-Length: %d\r\n\r\n" % size, b"x" * size),
        "chunks": (b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nxxxxx\r\n" * (size // 5) + b"0\r\n\r\n"),
        "one chunk": (b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"),
        "the end": (b"\r\n", b"x" * size),
    }[framing]

    for pieces in ([body], bytewise(body)):
        found = read(b"HTTP/1.1 %d Told\r\n" % status + head, *pieces)

        assert found is not None
        assert (found[0].status, found[0].body, found[0].whole, found[1]) == (status, b"x" * limit, False, False)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100\r\n\r\n%b", b"Transfer-Encoding: chunked\r\n\r\n64\r\n%b\r\n0\r\n\r\n"]
)
def test_a_body_of_exactly_as_much_as_wanted_is_whole(framing: bytes) -> None:
    found = read(OK + framing % (b"x" * MOST.success))

    assert found is not None
    assert found[0].whole
    assert found[1]


@pytest.mark.parametrize(
    "content",
    [
        b"this is not HTTP\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"Name : x\r\n\r\n",
        OK + b": x\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 1_0\r\n\r\n",
        OK + b"Content-Length: \xb2\r\n\r\n",
        OK + b"Content-Length: 99999999999999999999\r\n\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n",
        b"x" * 2**17,
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 2**17,
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 2**15,
        OK + b"A: " + b"b" * 2**17,
    ],
)
def test_what_is_not_http_is_refused(content: bytes) -> None:
    with pytest.raises(NotHttp):
        read(content)


def test_headers_in_an_old_style_are_taken() -> None:
    found = read(OK + b"A: b\r\n folded\r\nC: d\nContent-Length: 2\r\n\r\nhi")

    assert found is not None
    assert found[0].body == b"hi"
    assert found[0].headers["c"] == "d"


def test_looking_up_a_header_ignores_case() -> None:
    found = read(OK + b"X-Request-Id:  req_1 \r\nX-Request-Id: req_2\r\nContent-Length: 0\r\n\r\n")

    assert found is not None
    headers = found[0].headers
    assert headers["x-request-ID"] == headers.get("X-REQUEST-ID") == "req_1"
    assert "X-Request-Id" in headers
    assert headers.get("Missing") is None


def test_an_upgrade_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(NotHttp):
        read(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nPRI * HTTP/2.0")


def test_what_was_read_is_let_go_of_at_once() -> None:
    """E10: it may be megabytes, and garbage is collected seldom."""
    answer = Answer(MOST)
    assert answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")
    gone = weakref.ref(answer)
    gc.disable()
    try:
        answer.close()
        del answer
        assert gone() is None
    finally:
        gc.enable()
