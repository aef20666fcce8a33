"""Reading request bodies: strict JSON, and forms with files. Nothing here depends on Accept or on the order of parts."""

import io
import json
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

import msgspec
from django.http import HttpRequest
from rest_framework import negotiation, parsers, renderers
from rest_framework.request import Request

from batches.http.errors import InvalidBody, LengthRequired, UnsupportedMediaType
from batches.rules.errors import TooLarge
from batches.rules.lines.jsonl import complaint

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FORM = "multipart/form-data"


class JSONParser(parsers.BaseParser):
    """One JSON object: UTF-8, no NaN, no lone surrogates, no NUL in any text.

    A body with any content type except a form's is parsed as JSON.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        if (media_type or "").startswith(FORM):
            raise UnsupportedMediaType("Send the request body as JSON (Content-Type: application/json).")
        assert parser_context is not None
        return read_object(_read(stream, limit=parser_context["view"].max_body_bytes()))


class FormParser(parsers.MultiPartParser):
    """A form with files (`multipart/form-data`), spooled to disk."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:  # the result of Django's parser
        if not (media_type or "").startswith(FORM):
            raise UnsupportedMediaType(f"Send the request body as a form (Content-Type: {FORM}).")
        return super().parse(stream, media_type, parser_context)


def require_plain(request: HttpRequest) -> None:
    """Raise UnsupportedMediaType for a body with a content encoding, such as a compressed one."""
    encoding = request.headers.get("Content-Encoding", "").strip()
    if encoding.lower() not in ("", "identity"):
        message = f"The request body has the Content-Encoding {encoding[:50]!r}, which is not read here: send it as it is."
        raise UnsupportedMediaType(message, param="Content-Encoding")


def bound_body(request: HttpRequest, *, limit: int) -> None:
    """Prepare a chunked body, whose length is unknown, for reading: up to `limit` bytes, as if it had announced that length.

    A body that breaks off looks like one that ended. It is refused anyway, since it is no JSON, or a form without its last
    boundary. Raises LengthRequired if the server cannot tell where a body ends.
    """
    if not request.META.get("wsgi.input_terminated"):
        raise LengthRequired
    request._stream = io.BufferedReader(_BoundedBody(request.META["wsgi.input"], limit))  # replaces Django's stream
    request.META["CONTENT_LENGTH"] = str(limit)


class _BoundedBody(io.RawIOBase):
    def __init__(self, source: IO[bytes], limit: int) -> None:
        self._source, self._limit, self._room = source, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        piece = self._source.read(min(len(view), self._room + 1))
        self._room -= len(piece)
        if self._room < 0:
            raise TooLarge(f"The request body may have {self._limit} bytes.")
        view[: len(piece)] = piece
        return len(piece)


class NoNegotiation(negotiation.BaseContentNegotiation):
    """Each view reads one kind of body and writes one kind of answer, and ignores the headers about them.

    Some SDKs ask for `application/binary`, or send a JSON content type without a body. Refusing such calls would break them.
    """

    def select_parser(self, _request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, _request: Request, renderers: Any, _format_suffix: str | None = None
    ) -> tuple[renderers.BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


def read_object(body: bytes) -> dict[str, Any]:
    """Parse a body that must be a JSON object. Raises InvalidBody."""
    document = _decoded(body)
    refuse_doubles(body)
    if not isinstance(document, dict):
        raise InvalidBody("The request body must be a JSON object.")
    if rb"\u0000" in body:  # the only way to write a NUL in JSON
        _refuse_nul(document)
    return document


def read_member(name: str, value: bytes, *, start: int) -> Any:
    """Parse the value of one member of a body that is read in pieces. The value begins at byte `start`. Raises InvalidBody."""
    found = _decoded(value, start=start)
    refuse_doubles(value, within=name)
    if "\0" in name or rb"\u0000" in value:
        _refuse_nul({name: found})
    return found


def refuse_doubles(content: bytes, *, within: str = "") -> None:
    """Raise InvalidBody if an object in a JSON document has one name twice, since the intended value is unknown."""
    place = f" in '{within[:100]}'" if within else ""

    def checked(pairs: list[tuple[str, Any]]) -> None:
        names = set()
        for name, _ in pairs:
            if name in names:
                raise InvalidBody(f"'{name[:100]}' is given more than once{place}.", param=within[:100] or name[:100])
            names.add(name)

    if b"{" in content:
        try:
            json.loads(content, object_pairs_hook=checked, parse_int=_unread, parse_float=_unread)
        except RecursionError:
            raise InvalidBody("The request body is nested too deeply.") from None


def _unread(_number: str) -> None:
    """Ignore a number: it may have more digits than Python converts."""


def _decoded(content: bytes, *, start: int = 0) -> Any:
    try:
        return msgspec.json.decode(content)
    except UnicodeDecodeError:
        raise InvalidBody("The request body is not valid UTF-8.") from None
    except RecursionError:
        raise InvalidBody("The request body is nested too deeply.") from None
    except msgspec.DecodeError as error:
        raise InvalidBody(f"The request body is not valid JSON: {complaint(error, content, start=start)}.") from None


def _refuse_nul(document: dict[str, Any]) -> None:
    for path, text in _texts(document):
        if "\0" in text:
            raise InvalidBody(f"'{path}' contains a NUL character.".replace("\0", "␀"), param=path.replace("\0", "␀"))


def _read(stream: IO[Any], *, limit: int) -> bytes:
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise TooLarge(f"The request body may have {limit} bytes.")
    return body


def _texts(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each text in a document, keys too, with its path. There is no recursion: a document may be deeper than Python's stack."""
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, list):
            waiting.extend((f"{path}[{index}]", item) for index, item in enumerate(value))
        elif isinstance(value, dict):
            for key, item in value.items():
                place = f"{path}.{key}" if path else key
                yield place, key
                waiting.append((place, item))
