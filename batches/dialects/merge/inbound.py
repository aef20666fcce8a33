"""Bodies from Merge's clients. Unknown keys are refused."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from django.conf import settings

from batches.dialects.shared.inline import InlineBody, InlineRequest, OwnMembers, ReadItem, decode_item
from batches.http.errors import InvalidType, InvalidValue, MissingParameter
from batches.http.fields import valid

ARRAY = "batch_items"
WINDOW = timedelta(hours=24)  # the contract has none
# The models of records that can be written in bulk, with the endpoint of their batches.
ENDPOINTS = {model: f"/accounting/v1/{model}" for model in ("invoices", "expenses", "item-fulfillments", "sales-orders")}


class _BatchItem(msgspec.Struct, forbid_unknown_fields=True):
    item_id: str
    payload: msgspec.Raw


_items = msgspec.json.Decoder(_BatchItem)


def item_reader(endpoint: str) -> ReadItem:
    """A parser of the items for an endpoint."""

    def read_item(index: int, raw: bytes) -> InlineRequest:
        where = f"{ARRAY}.{index}"
        item = decode_item(_items, raw, where=where)
        payload = bytes(item.payload)
        _check_id(item.item_id, where=f"{where}.item_id")
        if not payload.startswith(b"{"):
            raise InvalidType(f"{where}.payload: it must be an object.", param=f"{where}.payload")
        return InlineRequest(item.item_id, endpoint, payload)

    return read_item


def read_rest(body: InlineBody) -> dict[str, Any]:
    """The members besides the items of a body that was read to its end. Raises InvalidRequest, also if it has no items."""
    found = read_head(body.head)
    if body.count:
        return found
    if ARRAY in body.head:
        raise InvalidType(f"Invalid value for '{ARRAY}': it must be a list.", param=ARRAY)
    message = f"Missing required parameter: '{ARRAY}', a list of 1 to {settings.MAX_BULK_ITEMS} items."
    raise MissingParameter(message, param=ARRAY)


def read_head(head: Mapping[str, object]) -> dict[str, Any]:
    """The members besides the items: `callback_url` alone. Raises ValidationError, also for any other name."""
    return valid(OwnMembers, {name: head[name] for name in head if name != ARRAY})


def _check_id(item_id: str, *, where: str) -> None:
    if not item_id:
        raise InvalidValue(f"{where}: it must not be empty.", param=where)
    if len(item_id) > settings.MAX_CUSTOM_ID_CHARS:
        raise InvalidValue(f"{where}: it may have {settings.MAX_CUSTOM_ID_CHARS} characters.", param=where)
    if "\0" in item_id:
        raise InvalidValue(f"{where}: it contains a NUL character.", param=where)
