"""Erasures as clients of the native API get them, and the body of the call that asks for one."""

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.names import BATCH_ID, ID
from batches.http.fields import METADATA_KEY_CHARS, Fields, Flag, Text
from batches.http.rendering import PrefixedId
from batches.models import Erasure, ProviderJob
from batches.rules import identifiers
from batches.rules.actors import REASON_CHARS
from batches.rules.errors import InvalidRequest
from batches.services.erasure.preview import NAMED, Preview
from batches.services.erasure.receipt import at_providers, summary
from batches.services.erasure.subject import MOST_CHARS, Subject

PREFIX = "erasure_"
BATCH_IDS = {"type": "array", "items": BATCH_ID}
COUNTS = {"type": "object", "additionalProperties": {"type": "integer"}}
WORDS = {"custom_id": Erasure.Kind.CUSTOM_ID, "metadata": Erasure.Kind.METADATA}


@extend_schema_field({"type": "string", "pattern": f"^{PREFIX}{ID}$", "example": f"{PREFIX}019bd3a2278b7e66a9d4f1b205e3da79"})
class ErasureId(PrefixedId):
    """An erasure's id."""

    def __init__(self) -> None:
        super().__init__(PREFIX)


@extend_schema_serializer(component_name="Erasure")
class ShownErasure(serializers.Serializer[Erasure]):
    """An erasure: what was erased where, when, by whom and why. It does not have the value."""

    id = ErasureId()
    project = serializers.SlugField(source="project.slug")
    kind = serializers.ChoiceField(choices=list(WORDS), help_text="Whether a `custom_id` or a pair of `metadata` is erased.")
    status = serializers.SerializerMethodField(help_text="`running`, or `ended`. A worker carries it out.")
    reason = serializers.CharField()
    asked_by = serializers.CharField()
    asked_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    erased = serializers.SerializerMethodField(help_text="How much was erased until now, by place.")
    left = serializers.SerializerMethodField(help_text="What could not be erased, each in a sentence.")
    batch_count = serializers.SerializerMethodField(help_text="How many batches had the value.")
    salt = serializers.CharField()
    digest = serializers.CharField(
        help_text="The SHA-256 in hex of `SALT:VALUE`. It proves what was erased. The value of a pair is `KEY=VALUE`."
    )

    @extend_schema_field({"type": "string", "enum": ["running", "ended"]})
    def get_status(self, erasure: Erasure) -> str:
        return "ended" if erasure.ended_at else "running"

    @extend_schema_field(COUNTS)
    def get_erased(self, erasure: Erasure) -> dict[str, int]:
        return dict(sorted(erasure.erased.items()))

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_left(self, erasure: Erasure) -> list[str]:
        return list(erasure.left)

    def get_batch_count(self, erasure: Erasure) -> int:
        return len(erasure.batches)


@extend_schema_serializer(component_name="ErasureDetail")
class ShownErasureDetail(ShownErasure):
    """An erasure with its receipt."""

    batch_ids = serializers.SerializerMethodField(help_text="The batches that had the value.")
    receipt = serializers.SerializerMethodField(
        help_text="The receipt in sentences, for people; with what became of files at providers until now."
    )

    @extend_schema_field(BATCH_IDS)
    def get_batch_ids(self, erasure: Erasure) -> list[str]:
        return [identifiers.render("batch_", key) for key in map(identifiers.parse, erasure.batches) if key]

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_receipt(self, erasure: Erasure) -> list[str]:
        return [*summary(erasure), *at_providers(erasure)]


@extend_schema_serializer(component_name="ErasedProviderJob")
class ShownJobLeft(serializers.Serializer[ProviderJob]):
    """A provider job whose files would be deleted at its provider."""

    marker = serializers.CharField()
    provider = serializers.CharField(source="provider.name")


@extend_schema_serializer(component_name="ErasurePreview")
class ShownPreview(serializers.Serializer[Preview]):
    """What an erasure would touch. Nothing was written, and no file was read."""

    requests = serializers.IntegerField(help_text="Requests that would be erased.")
    results = serializers.IntegerField(help_text="Their result rows.")
    batch_count = serializers.IntegerField(help_text="The batches that have the value.")
    batch_ids = serializers.SerializerMethodField(help_text=f"The newest {NAMED} of these.")
    files = serializers.IntegerField(help_text="Files that would be searched.")
    bytes = serializers.IntegerField(help_text="Their size.")
    provider_jobs = ShownJobLeft(source="jobs", many=True)
    obstacles = serializers.ListField(
        child=serializers.CharField(), help_text="Why the erasure could not begin now, each in a sentence. Empty: it could."
    )

    @extend_schema_field(BATCH_IDS)
    def get_batch_ids(self, preview: Preview) -> list[str]:
        return [str(batch) for batch in preview.batches]


class Pair(serializers.Field[dict[str, str], Any, Any, Any]):
    """An object with exactly one key, whose value is a string."""

    default_error_messages = {  # noqa: RUF012 - declared so by the base class
        "null": "It must not be null.",
        "invalid": "It must be an object with one key, whose value is a string.",
        "key": f"The key has 1 to {METADATA_KEY_CHARS} characters.",
    }

    def to_internal_value(self, data: object) -> dict[str, str]:
        if not isinstance(data, dict) or len(data) != 1 or not all(isinstance(value, str) for value in data.values()):
            self.fail("invalid")
        if not 0 < len(next(iter(data))) <= METADATA_KEY_CHARS:
            self.fail("key")
        return data


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1, "maxProperties": 1})
class MetadataPair(Pair):
    """A pair of metadata in the document."""


@extend_schema_serializer(component_name="CreateErasure")
class CreateErasure(Fields):
    """What to erase: either a `custom_id`, or the one pair in `metadata`."""

    custom_id = Text(max_length=MOST_CHARS, required=False, help_text="Every request of this name is erased.")
    metadata = MetadataPair(
        required=False, help_text='A pair such as `{"customer": "c-17"}`: all requests of the batches that have it are erased.'
    )
    reason = Text(
        max_length=REASON_CHARS,
        required=False,
        help_text="Why. It is kept in the receipt, and may not name the value. Only a dry run needs none.",
    )
    dry_run = Flag(default=False, help_text="Only say what would be touched, and what stands in the way.")
    project = Text(required=False, allow_null=True, default=None, help_text="Only needed without an API key.")


def subject_of(fields: dict[str, Any]) -> Subject:
    """The subject of an erasure. Raises InvalidRequest, naming the parameter."""
    given = [name for name in WORDS if name in fields]
    if len(given) != 1:
        raise InvalidRequest("Give either custom_id or metadata.", param="custom_id")
    try:
        if given == ["custom_id"]:
            return Subject(fields["custom_id"])
        ((key, value),) = fields["metadata"].items()
        return Subject(value, key)
    except InvalidRequest as error:
        raise InvalidRequest(error.message, param=given[0]) from None
