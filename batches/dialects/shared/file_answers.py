"""A stored file as an answer (RFC 9110): streamed, whole or in part. A client that has the file already gets a 304."""

import hashlib
import re
from collections.abc import Iterator
from itertools import chain

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header, http_date, parse_etags, parse_http_date_safe

from batches.models import File
from batches.services.storage.ranges import stream_range

_RANGE = re.compile(r"bytes=([0-9]{1,18})?-([0-9]{1,18})?", re.ASCII)


def file_answer(request: HttpRequest, file: File, *, filename: str, content_type: str) -> HttpResponseBase:
    """The bytes of a file as an attachment. Raises Gone if they are not kept any more.

    One range is answered with 206, and a range beyond the end of the file with 416. Several ranges, or unknown units, get the
    whole file, as RFC 9110 allows.
    """
    etag = entity_tag(file)
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Last-Modified": http_date(int(file.created_at.timestamp())),
        "Content-Disposition": content_disposition_header(True, filename) or "attachment",
    }
    if _is_known_to_client(request, etag):
        return HttpResponseNotModified(headers={"ETag": etag})
    asked = _asked_range(request, file, etag)
    if asked is None:
        start, end, status = 0, file.bytes, 200
    else:
        start, end = asked
        if start >= end:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{file.bytes}", "Accept-Ranges": "bytes"})
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.bytes}"
    headers["Content-Length"] = str(end - start)
    body = _begun(stream_range(file, start, end, name="stored"))
    return StreamingHttpResponse(body, status=status, content_type=content_type, headers=headers)


def entity_tag(file: File) -> str:
    """A strong validator: a digest of the name under which the bytes are stored. New bytes are stored under a new name."""
    return f'"{hashlib.sha256(str(file.content.name).encode()).hexdigest()[:32]}"'


def _is_known_to_client(request: HttpRequest, etag: str) -> bool:
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or any(tag.removeprefix("W/") == etag for tag in known)


def _asked_range(request: HttpRequest, file: File, etag: str) -> tuple[int, int] | None:
    """The first byte of the range and the byte behind its last; None for the whole file.

    If the first is not before the second, the range cannot be served.
    """
    match = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if match is None or match.groups() == (None, None) or not _may_be_ranged(request, file, etag):
        return None
    first, last = (None if text is None else int(text) for text in match.groups())
    if first is None:
        return max(file.bytes - (last or 0), 0), file.bytes if last else 0
    if last is not None and last < first:
        return None  # the header is invalid, so it is ignored
    return first, min(file.bytes, file.bytes if last is None else last + 1)


def _may_be_ranged(request: HttpRequest, file: File, etag: str) -> bool:
    """Whether a part may be sent: `If-Range`, if given, must name the current file by its tag or its time."""
    condition = request.headers.get("If-Range")
    if condition is None or condition == etag:
        return True
    return parse_http_date_safe(condition) == int(file.created_at.timestamp())


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces. The first piece is read at once, while a missing file can still become an error answer."""
    first = next(pieces, b"")
    return chain([first], pieces)
