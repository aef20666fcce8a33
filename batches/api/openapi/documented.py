"""Parameters and bodies in the document that no serializer of the views describes."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields import creation
from batches.api.fields.batch import ShownBatchDetail
from batches.api.fields.creation import ShownDryRun
from batches.api.fields.data.erasures import ShownErasureDetail, ShownPreview
from batches.api.fields.files import ShownFile
from batches.api.view import DEFAULT_LIMIT, MAX_LIMIT
from batches.dialects.shared.files import UPLOADED as PURPOSES
from batches.http.fields import MAX_LIFETIME_SECONDS, MIN_LIFETIME_SECONDS, WINDOW_PATTERN
from batches.models import Purpose
from batches.rules import fingerprints
from batches.services.exports.form import Compression, Form
from batches.services.exports.results_export import Outcomes, Scope
from batches.services.intake.idempotency import TOKEN_CHARS

CURSOR = OpenApiParameter("cursor", str, description="The `next_cursor` of the page before.")
LIMIT = OpenApiParameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    description="How many items a page may have.",
)
PAGE = [LIMIT, CURSOR]
CALLBACKS_PROJECT = [
    OpenApiParameter(
        "project",
        {"type": "string", "maxLength": 64},
        description="Only with `callbacks` as id, and only needed without an API key.",
    )
]
INCLUDE = OpenApiParameter("include", str, enum=["request"], description="What to include in each result: its input line.")
PURPOSE = OpenApiParameter("purpose", str, enum=Purpose.values, description="The purpose of the files to list.")
EXPORT = [
    OpenApiParameter(
        "outcome",
        str,
        enum=[*Outcomes],
        default=Outcomes.ALL.value,
        description="Which requests; `unsuccessful` ones failed, expired or were cancelled.",
    ),
    OpenApiParameter(
        "error",
        {"type": "string", "maxLength": fingerprints.CHARS},
        description="The fingerprint of an error group: only requests that failed for that reason in the end.",
    ),
    OpenApiParameter(
        "scope",
        str,
        enum=[*Scope],
        default=Scope.BATCH.value,
        description="With `lineage`, every request of the first batch once, with its best outcome over all retries.",
    ),
    OpenApiParameter("format", str, enum=[*Form], default=Form.JSONL.value, description="The format of the file."),
    OpenApiParameter(
        "compression", str, enum=[*Compression], default=Compression.NONE.value, description="How the file is compressed."
    ),
]
EXPORTED = {
    (200, "text/csv"): OpenApiResponse(OpenApiTypes.BINARY, "A row for each request; no cell begins a formula."),
    (200, "application/jsonl"): OpenApiResponse(OpenApiTypes.BINARY, "A result a line, as in an output file."),
    (200, "application/gzip"): OpenApiResponse(OpenApiTypes.BINARY, "Either of them, compressed."),
}
IDEMPOTENCY_KEY = [
    OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "maxLength": TOKEN_CHARS},
        location="header",
        description="A text of your choice that makes it safe to repeat this call for 24 hours; only with an API key.",
    )
]
CREATED = OpenApiResponse(ShownBatchDetail, "The batch, which waits for its validation.")
REHEARSED = OpenApiResponse(ShownDryRun, "The findings of a dry run. Nothing was created.")
ERASING = OpenApiResponse(ShownErasureDetail, "The erasure, which a worker carries out.")
ERASURE_TRIED = OpenApiResponse(ShownPreview, "The findings of a dry run. Nothing was written.")
UPLOADED = OpenApiResponse(ShownFile, "The file.")


@extend_schema_serializer(component_name="InlineRequest")
class InlineRequest(serializers.Serializer[Any]):
    """One request, like a line of an input file. `method` and `url` may be left out."""

    custom_id = serializers.CharField(max_length=512, help_text="Your id of the request. It must be unique in the batch.")
    body = serializers.DictField(help_text="The body that the provider gets. A body without `model` gets the model of the batch.")
    method = serializers.ChoiceField(choices=["POST"], required=False)
    url = serializers.CharField(required=False, help_text="If given, it must be the endpoint of the batch.")


@extend_schema_serializer(component_name="CreateBatch")
class CreateBatch(creation.CreateBatch):
    """The batch to create. Give either `input_file_id` or `requests`."""

    completion_window = serializers.RegexField(  # type: ignore[assignment]  # only shown in the document, not used for parsing
        f"^{WINDOW_PATTERN}$",
        required=False,
        default="24h",
        help_text=creation.CreateBatch().fields["completion_window"].help_text,
    )
    requests = InlineRequest(many=True, required=False, help_text="The requests themselves, up to 50,000.")


@extend_schema_serializer(component_name="CancelBatch")
class CancelBatch(creation.CancelBatch):
    """The body may be left out."""


@extend_schema_serializer(component_name="CreateFile")
class CreateFile(serializers.Serializer[Any]):
    """A form with one file."""

    file = serializers.FileField(help_text="The bytes, with a filename.")
    purpose = serializers.ChoiceField(choices=PURPOSES, required=False, default=Purpose.BATCH.value)
    lifetime_seconds = serializers.IntegerField(
        min_value=MIN_LIFETIME_SECONDS,
        max_value=MAX_LIFETIME_SECONDS,
        required=False,
        help_text="The seconds for which the file is kept.",
    )
    project = serializers.SlugField(required=False, help_text="Only needed without an API key.")
