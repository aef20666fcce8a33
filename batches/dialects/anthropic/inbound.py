"""Bodies from Anthropic's clients: a create body has up to 100,000 requests, each `{"custom_id": …, "params": {…}}`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest

from batches.dialects.shared.inline import CheckHead, InlineBody, InlineRequest, OwnMembers, decode_item
from batches.http.errors import InvalidType, InvalidValue, MissingParameter
from batches.http.fields import valid

ENDPOINT = "/v1/messages"
MAX_CUSTOM_ID_CHARS = 64

_CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]+")


class _Item(msgspec.Struct, forbid_unknown_fields=True):
    custom_id: str
    params: msgspec.Raw


class _Params(msgspec.Struct):
    """The parameters of a message that validation checks. All others are left to the upstream."""

    model: str | None = None
    stream: bool | None = None


_items = msgspec.json.Decoder(_Item)
_params = msgspec.json.Decoder(_Params)


def create_body(request: HttpRequest, *, at_array: CheckHead) -> InlineBody:
    """The body of a create call, before it is read."""
    return InlineBody(
        request,
        array="requests",
        max_bytes=settings.MAX_INLINE_BYTES,
        max_items=settings.MAX_INLINE_REQUESTS,
        max_item_bytes=settings.MAX_LINE_BYTES,
        at_array=at_array,
    )


def read_item(index: int, raw: bytes) -> InlineRequest:
    """Parse one request. A request that passes here also passes validation. Raises InvalidRequest with its place."""
    where = f"requests.{index}"
    item: _Item = decode_item(_items, raw, where=where)
    limit = min(MAX_CUSTOM_ID_CHARS, settings.MAX_CUSTOM_ID_CHARS)
    if not _CUSTOM_ID.fullmatch(item.custom_id) or len(item.custom_id) > limit:
        place = f"{where}.custom_id"
        raise InvalidValue(f"{place}: it must have 1 to {limit} characters from A-Z, a-z, 0-9, _ and -.", param=place)
    body = bytes(item.params)
    params: _Params = decode_item(_params, body, where=f"{where}.params")
    if params.stream:
        place = f"{where}.params.stream"
        raise InvalidValue(f"{place}: a batch cannot stream; leave it out.", param=place)
    return InlineRequest(item.custom_id, ENDPOINT, body)


def read_head(head: Mapping[str, object]) -> dict[str, Any]:
    """The members besides the requests: `callback_url` alone. Raises InvalidRequest and ValidationError."""
    for name in head:
        if name == "requests":
            raise InvalidType("requests: it must be an array.", param="requests")
        if name not in OwnMembers().fields:
            raise InvalidValue(f"{name[:100]}: there is no such parameter.", param=name[:100])
    return valid(OwnMembers, dict(head))


def read_rest(body: InlineBody) -> dict[str, Any]:
    """The same of a body that was read to its end, which must have requests. Raises InvalidRequest and ValidationError."""
    found = read_head(body.head)
    if not body.count:
        raise MissingParameter(f"requests: it must have 1 to {settings.MAX_INLINE_REQUESTS} items.", param="requests")
    return found


def page_of(
    items: Sequence[dict[str, Any]], *, after: str | None, before: str | None, limit: int
) -> tuple[Sequence[dict[str, Any]], bool]:
    """A page of a short list, after or before the item with an id, and whether the list goes on in this direction.

    Raises InvalidValue for an id that is not in the list, and if both ids are given.
    """
    if after is not None and before is not None:
        raise InvalidValue("after_id and before_id: give one of them, not both.", param="before_id")
    name, cursor = ("after_id", after) if before is None else ("before_id", before)
    places = {item["id"]: place for place, item in enumerate(items)}
    if cursor is not None and cursor not in places:
        raise InvalidValue(f"{name}: nothing in this list has the id {cursor[:100]!r}.", param=name)
    if before is not None:
        rest = items[: places[before]]
        return rest[-limit:], len(rest) > limit
    rest = items if after is None else items[places[after] + 1 :]
    return rest[:limit], len(rest) > limit
