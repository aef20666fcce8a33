"""Odd answers of upstreams, generated from a seed: legal ones, and ones that a server or proxy should not send."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

HELLO = b'{"hello":"world"}'
OK = b"HTTP/1.1 200 OK\r\n"


@dataclass(frozen=True, slots=True)
class Odd:
    """An answer in the pieces in which the server sends it; then it closes. `traits` name the oddities."""

    traits: frozenset[str]
    pieces: tuple[bytes, ...]

    @property
    def content(self) -> bytes:
        return b"".join(self.pieces)

    def __str__(self) -> str:
        return f"{sorted(self.traits)} {self.content[:300]!r}"


def chunked(body: bytes, sizes: list[int], *, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    """A body in chunks of these sizes. The last chunk has the rest."""
    written, start = b"", 0
    for size in [*sizes, len(body)]:
        if piece := body[start : start + size]:
            written += b"%x%b\r\n%b\r\n" % (len(piece), extension, piece)
            start += len(piece)
    return written + b"0\r\n" + trailers + b"\r\n"


STATUS_LINES = {
    "": OK,
    "no reason": b"HTTP/1.1 200\r\n",
    "empty reason": b"HTTP/1.1 200 \r\n",
    "long reason": b"HTTP/1.1 200 " + b"very " * 200 + b"well\r\n",
    "latin-1 reason": b"HTTP/1.1 200 Tr\xe8s bien\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n",
    "created": b"HTTP/1.1 201 Created\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n",
    "reset content": b"HTTP/1.1 205 Reset Content\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\n",
    "redirect": b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\n",
    "bad request": b"HTTP/1.1 400 Bad Request\r\n",
    "throttled": b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n",
    "server error": b"HTTP/1.1 500 Internal Server Error\r\n",
    "status of 600": b"HTTP/1.1 600 Odd\r\n",
    "status of 99": b"HTTP/1.1 099 Odd\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n",
    "HTTP/3.7": b"HTTP/3.7 200 OK\r\n",
    "lower case protocol": b"http/1.1 200 OK\r\n",
    "another protocol": b"ICY 200 OK\r\n",
    "blank line first": b"\r\nHTTP/1.1 200 OK\r\n",
    "spaces in the first line": b"HTTP/1.1  200  OK\r\n",
    "continue first": b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "early hints first": b"HTTP/1.1 103 Early Hints\r\nLink: </style>\r\n\r\n" + OK,
    "many interim answers": b"HTTP/1.1 102 Processing\r\n\r\n" * 20 + OK,
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "interim answer with a length": b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + OK,
}
HEADERS = {
    "": b"Content-Type: application/json\r\nX-Request-Id: req_1\r\n",
    "no headers": b"",
    "same header twice": b"X-Request-Id: one\r\nX-Request-Id: two\r\n",
    "cookies": b"Set-Cookie: a=b\r\nSet-Cookie: c=d; Path=/\r\n",
    "empty header": b"X-Empty:\r\nX-Blank: \r\n",
    "spaces around a value": b"X-Request-Id: \t req_1 \t\r\n",
    "latin-1 header": b"X-Name: caf\xe9\r\n",
    "utf-8 header": "X-Name: café\r\n".encode(),
    "folded header": b"X-Long: one\r\n two\r\n",
    "header without a colon": b"Nonsense\r\n",
    "header without a name": b": nameless\r\n",
    "space before the colon": b"X-Name : x\r\n",
    "space in a name": b"X Name: x\r\n",
    "line feed alone": b"X-One: 1\nX-Two: 2\r\n",
    "carriage return in a value": b"X-One: 1\r2\r\n",
    "NUL in a value": b"X-One: 1\x002\r\n",
    "control character in a value": b"X-One: 1\x012\r\n",
    "many headers": b"".join(b"X-Header-%d: value\r\n" % number for number in range(500)),
    "long header": b"X-Long: " + b"x" * 20_000 + b"\r\n",
    "huge head": b"X-Huge: " + b"x" * 100_000 + b"\r\n",
    "connection close": b"Connection: close\r\n",
    "keep-alive": b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
    "upgrade offered": b"Upgrade: h2c\r\nConnection: upgrade\r\n",
}
FRAMINGS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
    "chunks": lambda body: b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, [1, 5]),
    "chunks of one byte": lambda body: b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, [1] * 50),
    "chunk extensions": lambda body: b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, [3], extension=b";name=value"),
    "quoted chunk extension": lambda body: b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, [3], extension=b';a="b c"'),
    "space after a chunk size": lambda body: b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, [3], extension=b"  "),
    "trailers": lambda body: b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, [4], trailers=b"X-Sum: 1\r\nX-Other: 2\r\n"),
    "trailer that is no header": lambda body: (
        b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, [4], trailers=b"Nonsense\r\n")
    ),
    "Chunked": lambda body: b"Transfer-Encoding: Chunked\r\n\r\n" + chunked(body, [4]),
    "upper case sizes": lambda body: b"Transfer-Encoding: chunked\r\n\r\n11\r\n" + body.ljust(17) + b"\r\n0\r\n\r\n",
    "zeros before a size": lambda body: b"Transfer-Encoding: chunked\r\n\r\n000%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
    "chunk that is too long": lambda body: b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b!\r\n0\r\n\r\n" % (len(body), body),
    "chunk that is too short": lambda body: b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body) + 3, body),
    "size that is none": lambda _: b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n",
    "negative size": lambda _: b"Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
    "size with a prefix": lambda body: b"Transfer-Encoding: chunked\r\n\r\n0x%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
    "line feeds between chunks": lambda body: b"Transfer-Encoding: chunked\r\n\r\n%x\n%b\n0\n\n" % (len(body), body),
    "no last chunk": lambda body: b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body),
    "no end after the last chunk": lambda body: b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(body), body),
    "until it closes": lambda body: b"\r\n" + body,
    "length that is too small": lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body) - 3, body),
    "length that is too large": lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body) + 3, body),
    "length of nothing": lambda body: b"Content-Length: 0\r\n\r\n" + body,
    "length twice": lambda body: b"Content-Length: %d\r\nContent-Length: %d\r\n\r\n%b" % (len(body), len(body), body),
    "two lengths": lambda body: b"Content-Length: %d\r\nContent-Length: 3\r\n\r\n%b" % (len(body), body),
    "list of lengths": lambda body: b"Content-Length: %d, %d\r\n\r\n%b" % (len(body), len(body), body),
    "length and chunks": lambda body: b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, [4]),
    "chunks and length": lambda body: b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + chunked(body, [4]),
    "length with a sign": lambda body: b"Content-Length: +%d\r\n\r\n%b" % (len(body), body),
    "negative length": lambda body: b"Content-Length: -%d\r\n\r\n%b" % (len(body), body),
    "length that is none": lambda body: b"Content-Length: many\r\n\r\n" + body,
    "length of nothing at all": lambda body: b"Content-Length:\r\n\r\n" + body,
    "length beyond counting": lambda body: b"Content-Length: 99999999999999999999999\r\n\r\n" + body,
    "hexadecimal length": lambda body: b"Content-Length: 0x11\r\n\r\n" + body,
    "coding of no name": lambda body: b"Transfer-Encoding: \r\n\r\n" + body,
    "gzip, chunked": lambda body: b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked(body, [4]),
    "chunked twice": lambda body: b"Transfer-Encoding: chunked, chunked\r\n\r\n" + chunked(body, [4]),
    "coded identity": lambda body: b"Transfer-Encoding: identity\r\n\r\n" + body,
    "line feeds alone": lambda body: b"Content-Length: %d\n\n%b" % (len(body), body),
    "no end of the head": lambda _: b"Content-Length: 5\r\n",
    "garbage after the body": lambda body: b"Content-Length: %d\r\n\r\n%b\x00\xffgarbage" % (len(body), body),
    "another answer behind it": lambda body: (
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body) + OK + b"Content-Length: 2\r\n\r\nno"
    ),
}
BODIES = {"": HELLO, "no body": b"", "large body": b"x" * 70_000, "binary body": bytes(range(256))}
NOTHING_LIKE_IT = {
    "nothing": b"",
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x50",
    "HTML alone": b"<html><body>Bad gateway</body></html>",
    "half a first line": b"HTTP/1.1 2",
    "first line alone": OK,
    "endless line": b"x" * 200_000,
    "a request": b"POST /v1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/0.9": HELLO,
    "endless interim answers": b"HTTP/1.1 102 Processing\r\n\r\n" * 3_000,
}


def odd_answers(seed: int, count: int) -> Iterator[Odd]:
    """`count` odd answers: first each oddity alone, whole and byte by byte, then mixtures and mutilations."""
    made = 0
    for odd in _each_by_itself():
        for pieces in ((odd[1],), _bytewise(odd[1])):
            if made < count:
                yield Odd(odd[0], pieces)
                made += 1
    chance = random.Random(seed)
    while made < count:
        traits, content = _mixture(chance)
        if chance.random() < 0.3:
            traits, content = traits | {"cut"}, content[: chance.randrange(len(content) + 1)]
        yield Odd(traits, _split(content, chance))
        made += 1


def _each_by_itself() -> Iterator[tuple[frozenset[str], bytes]]:
    for name, content in NOTHING_LIKE_IT.items():
        yield frozenset({name}), content
    for name, line in STATUS_LINES.items():
        yield frozenset({name} - {""}), line + FRAMINGS[""](HELLO)
    for name, headers in HEADERS.items():
        yield frozenset({name} - {""}), OK + headers + FRAMINGS[""](HELLO)
    for name, framing in FRAMINGS.items():
        yield frozenset({name} - {""}), OK + framing(HELLO)
    for name, body in BODIES.items():
        yield frozenset({name} - {""}), OK + FRAMINGS[""](body)


def _mixture(chance: random.Random) -> tuple[frozenset[str], bytes]:
    line = chance.choice(list(STATUS_LINES)) if chance.random() < 0.5 else ""
    headers = chance.choice(list(HEADERS)) if chance.random() < 0.5 else ""
    framing = chance.choice(list(FRAMINGS))
    body = chance.choice(list(BODIES)) if chance.random() < 0.3 else ""
    content = STATUS_LINES[line] + HEADERS[headers] + FRAMINGS[framing](BODIES[body])
    return frozenset({line, headers, framing, body} - {""}), content


def _split(content: bytes, chance: random.Random) -> tuple[bytes, ...]:
    """Split an answer into a few pieces. A short answer is sometimes split into bytes."""
    if len(content) < 400 and chance.random() < 0.2:
        return _bytewise(content)
    cuts = sorted(chance.randrange(len(content) + 1) for _ in range(chance.randrange(5)))
    return tuple(content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True))


def _bytewise(content: bytes) -> tuple[bytes, ...]:
    return tuple(content[index : index + 1] for index in range(len(content))) if len(content) < 1000 else (content,)
