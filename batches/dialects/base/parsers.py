"""Reading request bodies: strict JSON, and forms with files. Nothing here depends on Accept or on the order of parts."""

from collections.abc import Iterator, Mapping
from typing import IO, Any

import msgspec
from rest_framework import negotiation, parsers, renderers
from rest_framework.request import Request

from batches.dialects.base.errors import InvalidBody, UnsupportedMediaType
from batches.errors import TooLarge

FORM = "multipart/form-data"


class JSONParser(parsers.BaseParser):
    """One JSON object: UTF-8, no NaN, no lone surrogates, no NUL in any text.

    Any content type but a form's is taken for JSON: what counts is whether the body is.
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
    ) -> Any:  # what Django's parser gives, passed on
        if not (media_type or "").startswith(FORM):
            raise UnsupportedMediaType(f"Send the request body as a form (Content-Type: {FORM}).")
        return super().parse(stream, media_type, parser_context)


class NoNegotiation(negotiation.BaseContentNegotiation):
    """Each view reads one kind of body and writes one kind of answer, whatever the headers say.

    SDKs ask for `application/binary` and send JSON content types without a body; refusing either breaks them.
    """

    def select_parser(self, _request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, _request: Request, renderers: Any, _format_suffix: str | None = None
    ) -> tuple[renderers.BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that is the body. Raises InvalidBody."""
    try:
        document = msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise InvalidBody("The request body is not valid UTF-8.") from None
    except RecursionError:
        raise InvalidBody("The request body is nested too deeply.") from None
    except msgspec.DecodeError as error:
        raise InvalidBody(f"The request body is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InvalidBody("The request body must be a JSON object.")
    if rb"\u0000" in body:  # the only way to write a NUL in JSON
        for path, text in _texts(document):
            if "\0" in text:
                raise InvalidBody(f"'{path}' contains a NUL character.", param=path)
    return document


def _read(stream: IO[Any], *, limit: int) -> bytes:
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise TooLarge(f"The request body may have {limit} bytes.")
    return body


def _texts(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text in a document, keys too, with its path. A loop: a document may be deeper than Python's stack."""
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, list):
            waiting.extend((f"{path}[{index}]", item) for index, item in enumerate(value))
        elif isinstance(value, dict):
            for key, item in value.items():
                yield path, key
                waiting.append((f"{path}.{key}" if path else key, item))
