"""The front before a few views, and what became of them."""

import threading
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.http import FileResponse, HttpResponse, StreamingHttpResponse

from batches.http.callers.senders import answer_late, vouch
from config.front.exchange import Environ
from tests.config.front.served import Served, served
from tests.waiting import PATIENCE

PIECES = 500

PIECE = b"x" * 100_000  # of these, more than all buffers between a server and a client hold

LATE = 4.0  # seconds: more than a busy machine takes for another answer

CLOSE = {"Connection": "close"}

FORM = {"Content_Type": "application/x-www-form-urlencoded"}


class Views:
    """A few views, and what became of them."""

    def __init__(self) -> None:
        self.asked: list[Environ] = []
        self.go_on = threading.Event()
        self.closed = threading.Event()

    def address(self, environ: Environ) -> HttpResponse:
        self.asked.append(environ)
        return HttpResponse(environ["REMOTE_ADDR"])

    def length(self, environ: Environ) -> HttpResponse:
        """Reads the body of anybody; how long it is, or why it could not be read."""
        vouch(environ)
        return self.reads(environ)

    def reads(self, environ: Environ) -> HttpResponse:
        self.asked.append(environ)
        size = 0
        try:
            while piece := environ["wsgi.input"].read(10_000):
                size += len(piece)
        except OSError as error:
            return HttpResponse(type(error).__name__, status=400)
        return HttpResponse(str(size))

    def refuses(self, environ: Environ) -> HttpResponse:
        """Reads no body."""
        self.asked.append(environ)
        return HttpResponse("no", status=401)

    def waits(self, environ: Environ) -> HttpResponse:
        """Answers when it is told to. The key says whose project it is by its first letter."""
        if key := environ.get("HTTP_AUTHORIZATION"):
            vouch(environ, project=key[0])
        self.asked.append(environ)
        self.go_on.wait(PATIENCE)
        return HttpResponse("at last")

    def late(self, environ: Environ) -> HttpResponse:
        """Answers at once; the answer is to be held back."""
        self.asked.append(environ)
        answer_late(environ, seconds=LATE)
        return HttpResponse("late")

    def streams(self, environ: Environ) -> StreamingHttpResponse:
        self.asked.append(environ)
        response = StreamingHttpResponse(PIECE for _ in range(PIECES))
        response._resource_closers.append(self.closed.set)  # type: ignore[attr-defined]
        return response

    def large(self, environ: Environ) -> HttpResponse:
        self.asked.append(environ)
        response = HttpResponse(PIECE * PIECES, headers={"Content-Length": str(len(PIECE) * PIECES)})
        response._resource_closers.append(self.closed.set)  # type: ignore[attr-defined]
        return response

    def breaks(self, _environ: Environ) -> StreamingHttpResponse:
        def pieces() -> Iterator[bytes]:
            yield PIECE
            raise ZeroDivisionError

        return StreamingHttpResponse(pieces())

    def file(self, _environ: Environ) -> Any:
        return FileResponse(BytesIO(PIECE * 2))

    def table(self) -> dict[str, Any]:
        names = ("address", "length", "reads", "refuses", "waits", "streams", "large", "breaks", "file", "late")
        return {f"/{name}": getattr(self, name) for name in names} | {"/v1/files": self.length}


@pytest.fixture
def views() -> Iterator[Views]:
    views = Views()
    yield views
    views.go_on.set()


@pytest.fixture
def front(views: Views) -> Iterator[Served]:
    with served(views.table()) as front:
        yield front


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def content_of(answer: bytes | bytearray) -> bytes | bytearray:
    return answer.partition(b"\r\n\r\n")[2]
