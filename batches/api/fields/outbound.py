"""What clients of the native API get: times in RFC 3339, ids with their prefix, and null for what is not set."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.extras import ShownExtras
from batches.api.fields.faces import batch_links
from batches.api.fields.spending import ShownEstimate, ShownGuards, ShownUsage
from batches.http.rendering import PrefixedId
from batches.models import ApiKey, Batch, BatchError, Counts, Dialect, Event, File, OnInvalid, Purpose, load_counts
from batches.rules.states import BatchStatus, Source
from batches.services.intake.extras import kept_extras
from batches.services.policy.guards import guards_of
from providers.models import Provider

ID = "[0-9a-f]{32}"


BATCH_ID = {"type": "string", "pattern": f"^batch_{ID}$", "example": "batch_019bd3a1c0de7b33a9d41f52c8e07a66"}


@extend_schema_field(BATCH_ID)
class BatchId(PrefixedId):
    """A batch's id. Other spellings of it, such as `msgbatch_…` or a plain UUID, are understood wherever one is sent."""

    def __init__(self) -> None:
        super().__init__("batch_")


@extend_schema_field({**BATCH_ID, "nullable": True})
class BatchIdIfAny(BatchId):
    """A batch's id, or null."""


FILE_ID = {"type": "string", "pattern": f"^file-{ID}$", "example": "file-019bd3a0f1e97d0c8b52a6e4731c9d08"}


@extend_schema_field(FILE_ID)
class FileId(PrefixedId):
    """A file's id."""

    def __init__(self) -> None:
        super().__init__("file-")


@extend_schema_field({**FILE_ID, "nullable": True})
class FileIdIfAny(FileId):
    """A file's id, or null."""


@extend_schema_serializer(component_name="ProviderName")
class NamedProvider(serializers.Serializer[Provider]):
    """Which provider, and whether its answers are made up."""

    name = serializers.CharField()
    simulated = serializers.BooleanField()


@extend_schema_serializer(component_name="KeyName")
class NamedKey(serializers.Serializer[ApiKey]):
    """Which API key; of its text only the first characters, which tell it from others."""

    name = serializers.CharField()
    prefix = serializers.CharField()


@extend_schema_serializer(component_name="Counts")
class ShownCounts(serializers.Serializer[Counts]):
    """How the objects stand. `total` is always the sum of the others; all are 0 until the input has been checked."""

    total = serializers.IntegerField()
    pending = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    expired = serializers.IntegerField()


@extend_schema_serializer(component_name="BatchLinks")
class ShownLinks(serializers.Serializer[Any]):
    """The same batch elsewhere: in each dialect that can show it, else null; and what is inside it."""

    self = serializers.URLField()
    objects = serializers.URLField()
    results = serializers.URLField()
    errors = serializers.URLField()  # type: ignore[assignment]  # a serializer has something of this name, too
    error_groups = serializers.URLField()
    events = serializers.URLField()
    lineage = serializers.URLField()
    parent = serializers.URLField(allow_null=True)  # type: ignore[assignment]  # so it has of this one
    openai = serializers.URLField()
    anthropic = serializers.URLField(allow_null=True)
    bifrost = serializers.URLField()
    novita = serializers.URLField()
    merge = serializers.URLField(allow_null=True)
    console = serializers.URLField()


@extend_schema_serializer(component_name="Batch")
class ShownBatch(serializers.Serializer[Batch]):
    """A batch, through whatever dialect it came."""

    id = BatchId()
    status = serializers.ChoiceField(choices=BatchStatus.choices)
    project = serializers.SlugField(source="project.slug")
    provider = NamedProvider()
    dialect = serializers.ChoiceField(choices=Dialect.choices)
    endpoint = serializers.CharField()
    model = serializers.CharField(help_text="Empty when its lines name several. Until they were checked: what was asked for.")
    priority = serializers.IntegerField()
    completion_window = serializers.CharField()
    on_invalid = serializers.ChoiceField(
        choices=OnInvalid.choices, help_text="Whether invalid lines of its input fail it, or are skipped and counted as failed."
    )
    counts = ShownCounts()
    usage = ShownUsage(source="counts")
    guards = ShownGuards(source="*", help_text="Its own; null is as its provider has it.")
    guards_in_force = serializers.SerializerMethodField(help_text="Its own and, where it has none, its provider's.")
    extras = serializers.SerializerMethodField(help_text="What its requests are sent with beside their bodies; null for nothing.")
    error_count = serializers.IntegerField(help_text="Problems of the input, or how many invalid lines were skipped.")
    throttled_until = serializers.DateTimeField(allow_null=True, help_text="Until when the provider's limits hold it back.")
    throttled_reason = serializers.CharField()
    paused_at = serializers.DateTimeField(allow_null=True, help_text="Since when nothing more of it is sent.")
    paused_by = serializers.CharField()
    paused_reason = serializers.CharField()
    parent_id = BatchIdIfAny()  # whose failures it retries
    input_file_id = FileIdIfAny()
    output_file_id = FileIdIfAny()
    error_file_id = FileIdIfAny()
    metadata = serializers.DictField(child=serializers.CharField(), allow_null=True)
    remark = serializers.CharField()
    key = NamedKey(source="created_by_key", allow_null=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="Its deadline: what has not run by then does not run.")
    in_progress_at = serializers.DateTimeField(allow_null=True)
    finalizing_at = serializers.DateTimeField(allow_null=True)
    cancelling_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    failed_at = serializers.DateTimeField(allow_null=True)
    expired_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    deleted_at = serializers.DateTimeField(allow_null=True, help_text="Since when its clients do not see it any more.")
    version = serializers.IntegerField(help_text="One more with every change of status, and with everything else done to it.")
    links = serializers.SerializerMethodField()  # under the host of `context["request"]`

    @extend_schema_field(ShownGuards)
    def get_guards_in_force(self, batch: Batch) -> dict[str, Any]:
        return dict(ShownGuards(guards_of(batch)).data)

    @extend_schema_field(ShownExtras(allow_null=True))
    def get_extras(self, batch: Batch) -> dict[str, Any] | None:
        return dict(ShownExtras(kept_extras(batch)).data) if batch.extras else None

    @extend_schema_field(ShownLinks)
    def get_links(self, batch: Batch) -> dict[str, str | None]:
        return batch_links(batch, self.context["request"])


@extend_schema_serializer(component_name="ObjectError")
class ShownObjectError(serializers.Serializer[Any]):
    """Why an object failed, or never ran."""

    code = serializers.CharField()
    message = serializers.CharField()


@extend_schema_serializer(component_name="BatchObject")
class ShownObject(serializers.Serializer[Any]):
    """One request of a batch and what became of it."""

    line = serializers.IntegerField(help_text="Its line in the input, from 1.")
    custom_id = serializers.CharField()
    status = serializers.ChoiceField(choices=["pending", "succeeded", "failed", "cancelled", "expired"])
    round = serializers.IntegerField(help_text="How many times it was deliberately sent for.")
    attempts = serializers.IntegerField(help_text="How often it was sent in this round.")
    http_status = serializers.IntegerField(allow_null=True)
    latency_ms = serializers.IntegerField(allow_null=True)
    input_tokens = serializers.IntegerField(allow_null=True)
    output_tokens = serializers.IntegerField(allow_null=True)
    request_id = serializers.CharField(help_text="The provider's id of the request, else the key that it was sent under.")
    settled_at = serializers.DateTimeField(allow_null=True)
    error = ShownObjectError(allow_null=True)


@extend_schema_serializer(component_name="Attempt")
class ShownTry(serializers.Serializer[Any]):
    """One time that an object was sent."""

    round = serializers.IntegerField()
    number = serializers.IntegerField(help_text="From 1, within the round.")
    succeeded = serializers.BooleanField()
    kind = serializers.CharField(
        source="kind.value", allow_null=True, help_text="The kind of failure; null for the attempt that settled the object."
    )
    http_status = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    message = serializers.CharField()
    request_id = serializers.CharField()
    latency_ms = serializers.IntegerField(allow_null=True)
    ended_at = serializers.DateTimeField()
    retry_at = serializers.DateTimeField(allow_null=True, help_text="When the next attempt may start.")


@extend_schema_serializer(component_name="Answer")
class ShownAnswer(serializers.Serializer[Any]):
    """What the provider answered.

    `body` is what it sent; what is no JSON object is put into one. The status of a request that failed is never that of a
    success: 502 stands for an answer that looked like one.
    """

    status_code = serializers.IntegerField()
    request_id = serializers.CharField()
    body = serializers.JSONField()


@extend_schema_serializer(component_name="BatchObjectDetail")
class ShownObjectDetail(ShownObject):
    """One object with its request, its answer and every attempt in between."""

    request = serializers.JSONField(
        help_text="The input line as the client wrote it, as text where it is no JSON; null when it is no longer kept."
    )
    response = ShownAnswer(allow_null=True)
    history = ShownTry(many=True)


@extend_schema_serializer(component_name="Result")
class ShownResult(serializers.Serializer[Any]):
    """What came of one object: a response, or an error where there is none. `request` is there when it was asked for."""

    line = serializers.IntegerField()
    custom_id = serializers.CharField()
    status = serializers.ChoiceField(choices=["succeeded", "failed", "cancelled", "expired"])
    response = ShownAnswer(allow_null=True)
    error = ShownObjectError(allow_null=True)
    request = serializers.JSONField(required=False)


@extend_schema_serializer(component_name="BatchError")
class ShownError(serializers.Serializer[BatchError]):
    """One reason why the input was refused, or why an object failed in one of its rounds."""

    code = serializers.CharField()
    message = serializers.CharField()
    param = serializers.CharField()
    line = serializers.IntegerField(allow_null=True, help_text="Null for what concerns the input, or the batch, as a whole.")
    round = serializers.IntegerField(allow_null=True, help_text="Null for what concerns the input.")
    kind = serializers.CharField()
    source = serializers.CharField(help_text="Who has to act on it.")  # type: ignore[assignment]  # a field has one, too
    http_status = serializers.IntegerField(allow_null=True)
    fingerprint = serializers.CharField(help_text="The same for errors that differ in ids, numbers and quoted text alone.")
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="ErrorGroup")
class ShownErrorGroup(serializers.Serializer[Any]):
    """Errors with the same fingerprint. List their objects with `/objects?error=FINGERPRINT`."""

    fingerprint = serializers.CharField()
    count = serializers.IntegerField()
    code = serializers.CharField()
    sample = serializers.CharField(help_text="One of the messages.")
    kind = serializers.CharField(source="kind.value", allow_null=True)
    http_status = serializers.IntegerField(allow_null=True)
    first_line = serializers.IntegerField()
    last_line = serializers.IntegerField()
    hint = serializers.CharField(help_text="Whether trying again can help.")


@extend_schema_serializer(component_name="Event")
class ShownEvent(serializers.Serializer[Event]):
    """One entry of a batch's timeline; `from_status` is empty for its creation, and equal to `to_status` for a note."""

    from_status = serializers.CharField()
    to_status = serializers.ChoiceField(choices=BatchStatus.choices)
    version = serializers.IntegerField()
    actor = serializers.CharField()
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]  # a field has one, too
    note = serializers.CharField()
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="FileLinks")
class ShownFileLinks(serializers.Serializer[Any]):
    """The file elsewhere."""

    self = serializers.URLField()
    content = serializers.URLField()


@extend_schema_serializer(component_name="File")
class ShownFile(serializers.Serializer[File]):
    """A file that a client uploaded or that a batch wrote."""

    id = FileId()
    project = serializers.SlugField(source="project.slug")
    purpose = serializers.ChoiceField(choices=Purpose.choices)
    filename = serializers.CharField()
    bytes = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    links = serializers.SerializerMethodField()

    @extend_schema_field(ShownFileLinks)
    def get_links(self, file: File) -> dict[str, str]:
        itself = self.context["request"].build_absolute_uri(f"/api/v1/files/{file}")
        return {"self": itself, "content": f"{itself}/content"}


@extend_schema_serializer(component_name="Problem")
class ShownProblem(serializers.Serializer[Any]):
    """Something that keeps a batch from being created, or from running."""

    code = serializers.CharField()
    message = serializers.CharField()
    param = serializers.CharField(allow_null=True)
    line = serializers.IntegerField(allow_null=True, help_text="The line, or the number of the item of `requests`, from 1.")


@extend_schema_serializer(component_name="DryRun")
class ShownDryRun(serializers.Serializer[Any]):
    """What a create call would have met. Nothing was created."""

    valid = serializers.BooleanField(help_text="Whether it would run, without its invalid requests where those are skipped.")
    requests = serializers.IntegerField(help_text="How many were looked at.")
    provider = NamedProvider(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    estimate = ShownEstimate(help_text="Of what the good requests may use.")
    problem_count = serializers.IntegerField()
    problems = ShownProblem(many=True, help_text="The first 1,000 of them.")


def listed(serializer: type[serializers.Serializer[Any]], rows: Iterable[Any], **context: Any) -> list[dict[str, Any]]:
    """Rows as this serializer shows one."""
    one = serializer(context=context)
    return [one.to_representation(row) for row in rows]


def batch_objects(batches: Sequence[Batch], request: HttpRequest) -> list[dict[str, Any]]:
    """Batches whose project, provider and key are loaded, with as many queries for many as for one."""
    load_counts(batches)
    return listed(ShownBatch, batches, request=request)
