"""What the document says of parameters and bodies that no serializer reads."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_serializer
from rest_framework import serializers

from batches.api.detail import ShownBatchDetail
from batches.api.extras import SetExtras
from batches.api.outbound import ShownDryRun, ShownFile
from batches.api.spending import SetGuards
from batches.api.view import DEFAULT_LIMIT, MAX_LIMIT
from batches.dialects.base.fields import MAX_LIFETIME_SECONDS, MIN_LIFETIME_SECONDS, Metadata
from batches.dialects.base.files import UPLOADED as PURPOSES
from batches.models import Purpose
from batches.services.prioritise import HIGHEST, LOWEST

CURSOR = OpenApiParameter("cursor", str, description="The `next_cursor` of the page before.")
LIMIT = OpenApiParameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    description="How many items a page may have.",
)
PAGE = [LIMIT, CURSOR]
INCLUDE = OpenApiParameter("include", str, enum=["request"], description="What each result has besides.")
PURPOSE = OpenApiParameter("purpose", str, enum=Purpose.values, description="What the file is for.")
IDEMPOTENCY_KEY = [
    OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "maxLength": 255},
        location="header",
        description="A text of your choice that makes it safe to repeat this call for 24 hours; only with an API key.",
    )
]
CREATED = OpenApiResponse(ShownBatchDetail, "The batch, which waits for its validation.")
REHEARSED = OpenApiResponse(ShownDryRun, "What a dry run found; nothing was created.")
UPLOADED = OpenApiResponse(ShownFile, "The file.")

# A window: 15 to 10080 minutes, 1 to 168 hours, 1 to 7 days.
WINDOW = r"^((1[5-9]|[2-9][0-9]|[1-9][0-9]{2,3})m|([1-9]|[1-9][0-9]|1[0-5][0-9]|16[0-8])h|[1-7]d)$"


@extend_schema_serializer(component_name="InlineRequest")
class InlineRequest(serializers.Serializer[Any]):
    """One request, as in a line of an input file; `method` and `url` may be left out."""

    custom_id = serializers.CharField(max_length=512, help_text="What you know it by; not twice in a batch.")
    body = serializers.DictField(help_text="What the provider gets, unchanged.")
    method = serializers.ChoiceField(choices=["POST"], required=False)
    url = serializers.CharField(required=False, help_text="If given, the batch's endpoint.")


@extend_schema_serializer(component_name="CreateBatch")
class CreateBatch(serializers.Serializer[Any]):
    """What to run, and how. Give either `input_file_id` or `requests`."""

    endpoint = serializers.CharField(max_length=100, help_text="What the requests are for, such as `/v1/chat/completions`.")
    input_file_id = serializers.CharField(required=False, allow_null=True, help_text="A file of purpose `batch`.")
    requests = InlineRequest(many=True, required=False, help_text="The requests themselves, up to 50,000.")
    completion_window = serializers.RegexField(
        WINDOW, required=False, default="24h", help_text="How long it may take: 15 minutes to 7 days, as `90m`, `24h`, `7d`."
    )
    project = serializers.SlugField(required=False, allow_null=True, help_text="Only needed without an API key.")
    provider = serializers.CharField(
        required=False, allow_null=True, help_text="Who shall carry it out; else the default for the endpoint."
    )
    metadata = Metadata()
    remark = serializers.CharField(max_length=500, required=False, allow_blank=True, help_text="What people shall call it.")
    priority = serializers.IntegerField(
        min_value=LOWEST,
        max_value=HIGHEST,
        required=False,
        default=0,
        help_text="A higher one goes first.",
    )
    guards = SetGuards(required=False, allow_null=True, help_text="What shall pause it; else its provider's guards.")
    extras = SetExtras(required=False, allow_null=True, help_text="What to send beside the bodies of requests of `/v1/messages`.")
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Check everything and create nothing.")


@extend_schema_serializer(component_name="CancelBatch")
class CancelBatch(serializers.Serializer[Any]):
    """May be left out."""

    note = serializers.CharField(max_length=1000, required=False, allow_blank=True, help_text="Why; for the batch's timeline.")


@extend_schema_serializer(component_name="CreateFile")
class CreateFile(serializers.Serializer[Any]):
    """A form with a file."""

    file = serializers.FileField(help_text="The bytes, with a filename.")
    purpose = serializers.ChoiceField(choices=PURPOSES, required=False, default=Purpose.BATCH.value)
    lifetime_seconds = serializers.IntegerField(
        min_value=MIN_LIFETIME_SECONDS, max_value=MAX_LIFETIME_SECONDS, required=False, help_text="How long it is kept."
    )
    project = serializers.SlugField(required=False, help_text="Only needed without an API key.")
