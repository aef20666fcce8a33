"""Create bodies with inline requests. They are read from the stream item by item, into the portal's own JSON lines."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from django.http import HttpRequest, UnreadablePostError

from batches.http.errors import InvalidBody, InvalidValue, RequestTimeout
from batches.http.fields import CallbackUrl, Fields
from batches.http.parsers import read_member
from batches.rules.errors import TooLarge
from batches.rules.lines.json_stream import Item, Malformed, Member, TooLong, read_members
from batches.rules.lines.jsonl import complaint, is_too_deep, request_line

HEAD_BYTES = 1024**2  # all members besides the requests, together


class OwnMembers(Fields):
    """The members of a create body that the portal adds to a contract whose bodies have nothing besides the requests."""

    callback_url = CallbackUrl()


@dataclass(frozen=True, slots=True)
class InlineRequest:
    """One item of the array, after its check. `body` is raw JSON, on one line or several."""

    custom_id: str
    url: str
    body: bytes


# Parses one raw item of the array. Raises InvalidRequest with the item's index.
ReadItem = Callable[[int, bytes], InlineRequest]


# Checks the members before the array, and refuses a call that cannot become a batch. Raises PortalError.
CheckHead = Callable[[dict[str, Any]], None]


class InlineBody:
    """A create body, which is read once. After all `lines` are read, `head` holds the other members, and `digest` is known.

    `array` is the name of the member with the requests; `has_array` tells whether the body has it. Limits: `max_bytes` for
    the whole body, `max_items`, and `max_item_bytes` for one item. `at_array` is called before the items are read, with the
    members before them; it may refuse the call.
    """

    def __init__(
        self,
        request: HttpRequest,
        *,
        array: str,
        max_bytes: int,
        max_items: int,
        max_item_bytes: int,
        at_array: CheckHead | None = None,
    ) -> None:
        self.head: dict[str, Any] = {}
        self.count = 0
        self.has_array = False
        self._request = request
        self._array = array
        self._max_bytes = max_bytes
        self._max_items = max_items
        self._max_item_bytes = max_item_bytes
        self._read_bytes = self._head_bytes = 0
        self._hash = hashlib.sha256()
        self._at_array = at_array

    @property
    def digest(self) -> str:
        """The digest of the document. It ignores white space between tokens, and the order of the members."""
        hashed = self._hash.copy()
        hashed.update(msgspec.json.encode(self.head, order="sorted"))
        return hashed.hexdigest()

    def lines(self, read_item: ReadItem) -> Iterator[bytes]:
        """The items as canonical lines. Raises InvalidBody, InvalidValue, TooLarge, and the errors of `read_item`."""
        seen: dict[str, int] = {}
        for item in self.items():
            yield self._line(item, read_item, seen)

    def items(self) -> Iterator[Item]:
        """The raw items. Raises InvalidBody, InvalidValue and TooLarge."""
        try:
            for piece in read_members(self._read, array=self._array, max_value_bytes=self._max_item_bytes):
                if isinstance(piece, Item):
                    if self._at_array and not self.has_array:
                        self._at_array(self.head)
                    if self.count >= self._max_items:
                        message = f"{self._array}: there may be at most {self._max_items} items."
                        raise InvalidValue(message, param=self._array)
                    self.has_array = True
                    self.count += 1
                    self._hash.update(_compact(piece.value) + b"\n")
                    yield piece
                else:
                    self._keep(piece)
        except Malformed as error:
            raise InvalidBody(f"The request body is not valid JSON: {error}") from None
        except TooLong as error:
            raise TooLarge(f"The request body has a part that is too long: {error}") from None

    def _line(self, piece: Item, read_item: ReadItem, seen: dict[str, int]) -> bytes:
        found = read_item(piece.index, piece.value)
        if (first := seen.setdefault(found.custom_id, piece.index)) != piece.index:
            where = f"{self._array}.{piece.index}"
            message = f"{where}: {found.custom_id[:100]!r} is the id of item {first} already; ids must be unique."
            raise InvalidValue(message, param=where)
        line = request_line(custom_id=found.custom_id, url=found.url, body=found.body)
        if len(line) > self._max_item_bytes:
            raise TooLarge(f"{self._array}.{piece.index}: it is too long; it may have about {self._max_item_bytes} bytes.")
        return line

    def _keep(self, piece: Member) -> None:
        self._head_bytes += len(piece.name) + len(piece.value) + 4  # two quotes, a colon, a comma
        if self._head_bytes > HEAD_BYTES:
            raise TooLarge(f"The request body may have {HEAD_BYTES} bytes besides {self._array}.")
        if piece.name in self.head or (piece.name == self._array and self.has_array):
            raise InvalidBody(f"'{piece.name[:100]}' is given more than once.", param=piece.name[:100])
        self.head[piece.name] = read_member(piece.name, piece.value, start=piece.start)

    def _read(self, size: int) -> bytes:
        try:
            chunk: bytes = self._request.read(size)
        except UnreadablePostError:
            raise RequestTimeout from None
        self._read_bytes += len(chunk)
        if self._read_bytes > self._max_bytes:
            raise TooLarge(f"The request body may have {self._max_bytes} bytes.")
        return chunk


def _compact(value: bytes) -> bytes:
    """JSON without white space between its tokens. Bytes that are no JSON stay as they are; a later check refuses them."""
    try:
        return msgspec.json.format(value, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return value


def decode_item(decoder: "msgspec.json.Decoder[Any]", raw: bytes, *, where: str) -> Any:
    """Decode an item into its struct. Raises an error whose message begins with the place (`requests.0.custom_id: …`)."""
    try:
        if not raw.isascii():
            raw.decode()
        found = decoder.decode(raw)
        if is_too_deep(raw):
            raise RecursionError
        return found
    except UnicodeDecodeError:
        raise InvalidValue(f"{where}: it is not valid UTF-8.", param=where) from None
    except RecursionError:
        raise InvalidValue(f"{where}: it is nested too deeply.", param=where) from None
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        place = f"{where}{path.rstrip('`')}"
        raise InvalidValue(f"{place}: {reason.replace('`', '')}.", param=place) from None
    except msgspec.DecodeError as error:
        raise InvalidBody(f"{where}: it is not valid JSON: {complaint(error, raw)}.", param=where) from None
