"""The body of a create call, and the answer to a dry run. An unknown name is refused."""

from collections.abc import Iterator
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.extras import SetExtras
from batches.api.fields.names import NamedProvider, Priority
from batches.api.fields.spending import SetGuards, ShownEstimate
from batches.dialects.shared.inline import CheckHead, InlineBody
from batches.http.errors import InvalidBody, UnsupportedMediaType
from batches.http.fields import USUAL_WINDOW, AnyCompletionWindow, CallbackUrl, Fields, Flag, HowToRun, Metadata, OneOf, Text
from batches.http.parsers import FORM
from batches.models import NOTE_CHARS, REMARK_CHARS, OnInvalid
from batches.rules.lines.jsonl import complaint, request_line
from batches.rules.lines.line_rules import QUALIFIED_MODEL_CHARS

ARRAY = "requests"


class CreateBatch(Fields):
    """The members of a create call besides its `requests`, which are read from the stream."""

    endpoint = Text(max_length=100, help_text="The API path that the requests are for, such as `/v1/chat/completions`.")
    input_file_id = Text(required=False, allow_null=True, default=None, help_text="A file of purpose `batch`.")
    completion_window = AnyCompletionWindow(
        default=USUAL_WINDOW,
        help_text="The time that the batch may take: a whole number of minutes, hours or days such as `90m`, `24h` or `7d`; "
        "from `15m` to the longest that the portal allows.",
    )
    project = Text(required=False, allow_null=True, default=None, help_text="Only needed without an API key.")
    provider = Text(
        required=False, allow_null=True, default=None, help_text="The provider; if not given, the default for the endpoint."
    )
    model = Text(
        max_length=QUALIFIED_MODEL_CHARS,
        required=False,
        allow_null=True,
        default=None,
        help_text="The model of requests that name none, as `MODEL` or `PROVIDER/MODEL`. Then no request may name another.",
    )
    on_invalid = OneOf(
        OnInvalid.values,
        default=OnInvalid.FAIL.value,
        help_text="`fail`: an invalid request fails the batch. `skip`: the valid ones run; each invalid one counts as failed and "
        "has its line in the error file.",
    )
    metadata = Metadata()
    remark = Text(max_length=REMARK_CHARS, allow_blank=True, default="", help_text="A name or note for people.")
    priority = Priority(default=0)
    guards = SetGuards(
        required=False,
        allow_null=True,
        default=None,
        help_text="The batch's own guards. For those not given, the provider's hold.",
    )
    extras = SetExtras(
        required=False,
        allow_null=True,
        default=None,
        help_text="Headers to send with each request. Only for `/v1/messages`.",
    )
    execution = HowToRun(
        help_text="Who makes the calls. `direct`: the portal sends each request. `delegated`: the provider's own batch API runs "
        "them. `hybrid`: delegated, and what would miss the deadline is taken back and sent directly. `auto`: hybrid where it "
        "pays, else direct. If not given, the project or else the provider decides. A wish that cannot be met is refused."
    )
    callback_url = CallbackUrl(
        help_text="An address that is told of the batch's end with a signed POST. The secret is that of the project's callbacks: "
        "`POST /webhook_endpoints/callbacks/rotate_secret` shows it."
    )
    dry_run = Flag(
        default=False,
        help_text="Check everything and create nothing. `false` before the requests has an error told before they are read.",
    )


class CancelBatch(Fields):
    """Why a batch is cancelled."""

    note = Text(max_length=NOTE_CHARS, allow_blank=True, default="", help_text="Why; for the batch's timeline.")


class InlineItem(msgspec.Struct, forbid_unknown_fields=True):
    """An item of `requests`. It is like a line of an input file, but `method` and `url` may be left out."""

    custom_id: str
    body: msgspec.Raw
    method: str = "POST"
    url: str = ""


_decode_item = msgspec.json.Decoder(InlineItem).decode


def create_body(request: HttpRequest, *, at_array: CheckHead) -> InlineBody:
    """The body of a create call, before it is read."""
    if (request.content_type or "").startswith(FORM):
        raise UnsupportedMediaType("Send the request body as JSON (Content-Type: application/json).")
    return InlineBody(
        request,
        array=ARRAY,
        max_bytes=settings.MAX_INLINE_BYTES,
        max_items=settings.MAX_BATCH_LINES,
        max_item_bytes=settings.MAX_LINE_BYTES,
        at_array=at_array,
    )


def one_a_line(body: InlineBody) -> Iterator[bytes]:
    """The items of a create call, each as it came, but on one line. Raises InvalidRequest."""
    for item in body.items():
        value = item.value
        if b"\n" in value or b"\r" in value:
            try:
                value = msgspec.json.format(value, indent=-1)
            except RecursionError:
                raise InvalidBody(f"{ARRAY}.{item.index}: it is nested too deeply.", param=f"{ARRAY}.{item.index}") from None
            except msgspec.DecodeError as error:
                where = f"{ARRAY}.{item.index}"
                raise InvalidBody(f"{where}: it is not valid JSON: {complaint(error, value)}.", param=where) from None
        yield value + b"\n"


def input_line(item: bytes, *, endpoint: str) -> bytes:
    """An item as a line of an input file. An invalid item stays as it is, so that the rules for lines can report its problem."""
    try:
        found = _decode_item(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return item
    if found.method != "POST":
        return item
    return request_line(custom_id=found.custom_id, url=found.url or endpoint, body=bytes(found.body)).rstrip(b"\n")


@extend_schema_serializer(component_name="Problem")
class ShownProblem(serializers.Serializer[Any]):
    """A problem that would refuse a create call, or fail its batch or one of its requests."""

    code = serializers.CharField()
    message = serializers.CharField()
    param = serializers.CharField(allow_null=True)
    line = serializers.IntegerField(allow_null=True, help_text="The number of the line, or of the item of `requests`, from 1.")


@extend_schema_serializer(component_name="DryRun")
class ShownDryRun(serializers.Serializer[Any]):
    """The findings of a dry run. Nothing was created."""

    valid = serializers.BooleanField(
        help_text="Whether the batch would run. With `on_invalid: skip`, invalid requests do not count."
    )
    requests = serializers.IntegerField(help_text="The number of requests that were checked.")
    provider = NamedProvider(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    estimate = ShownEstimate(help_text="The estimate for the valid requests.")
    problem_count = serializers.IntegerField()
    problems = ShownProblem(many=True, help_text="The first 1,000 problems.")
