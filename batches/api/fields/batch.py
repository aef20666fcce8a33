"""A batch as the native API shows it: in a list, and alone, with the reason why it waits."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.extras import ShownExtras
from batches.api.fields.faces import batch_links
from batches.api.fields.names import BatchId, BatchIdIfAny, FileIdIfAny, NamedKey, NamedProvider, listed
from batches.api.fields.spending import ShownGuards, ShownUsage
from batches.api.fields.standing import ShownBatchState, ShownDelegation
from batches.models import Batch, Counts, Dialect, OnInvalid, load_counts
from batches.rules.execution import Execution
from batches.rules.states import BatchStatus
from batches.services.insight.delegation import delegations
from batches.services.insight.waiting import Cause, Waiting, stand
from batches.services.intake.extras import kept_extras
from batches.services.policy.guards import guards_of
from batches.services.standing.look import states_of_batches


@extend_schema_serializer(component_name="Counts")
class ShownCounts(serializers.Serializer[Counts]):
    """The number of objects in each status. `total` is the sum of the others. All are 0 until the input has been checked."""

    total = serializers.IntegerField()
    pending = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    expired = serializers.IntegerField()


@extend_schema_serializer(component_name="BatchLinks")
class ShownLinks(serializers.Serializer[Any]):
    """Addresses of the batch: its contents, and the batch in each dialect; null for a dialect that cannot show it."""

    self = serializers.URLField()
    objects = serializers.URLField()
    results = serializers.URLField()
    errors = serializers.URLField()  # type: ignore[assignment]  # serializers have an attribute of this name
    error_groups = serializers.URLField()
    events = serializers.URLField()
    lineage = serializers.URLField()
    provider_jobs = serializers.URLField()
    parent = serializers.URLField(allow_null=True)  # type: ignore[assignment]  # serializers have an attribute of this name
    openai = serializers.URLField()
    anthropic = serializers.URLField(allow_null=True)
    bifrost = serializers.URLField()
    novita = serializers.URLField()
    merge = serializers.URLField(allow_null=True)
    console = serializers.URLField()


@extend_schema_serializer(component_name="Batch")
class ShownBatch(serializers.Serializer[Batch]):
    """A batch of any dialect."""

    id = BatchId()
    status = serializers.ChoiceField(choices=BatchStatus.choices)
    project = serializers.SlugField(source="project.slug")
    provider = NamedProvider()
    dialect = serializers.ChoiceField(choices=Dialect.choices)
    endpoint = serializers.CharField()
    model = serializers.CharField(
        help_text="The model; empty if its lines name several. Until the lines have been checked, the model of the create call."
    )
    priority = serializers.IntegerField()
    completion_window = serializers.CharField()
    on_invalid = serializers.ChoiceField(
        choices=OnInvalid.choices,
        help_text="Whether invalid lines of its input fail the batch, or are skipped and count as failed.",
    )
    execution = serializers.ChoiceField(
        choices=Execution.choices,
        help_text="Who makes the calls. `auto` becomes `hybrid` or `direct` when the input has been checked.",
    )
    execution_reason = serializers.CharField(help_text="Why it runs so, for people; empty if nobody asked for anything.")
    delegation = serializers.SerializerMethodField(
        help_text="Its jobs at the provider's own batch API; null for a batch that was not handed over."
    )
    state = serializers.SerializerMethodField(help_text="How it stands: its status, or what keeps it from going on.")
    counts = ShownCounts()
    net_counts = ShownCounts(
        help_text="The same after its retries: an object counts as succeeded if its request succeeded here, or in another batch "
        "of the lineage that has ended; else as it stands here. `counts` of a batch that has ended never change."
    )
    usage = ShownUsage(source="counts")
    guards = ShownGuards(source="*", help_text="The batch's own guards. Null: the provider's guard holds.")
    guards_in_force = serializers.SerializerMethodField(help_text="The batch's own guards, or else its provider's.")
    extras = serializers.SerializerMethodField(help_text="Headers that are sent with each request; null if there are none.")
    error_count = serializers.IntegerField(
        help_text="The number of problems of the input, or of invalid lines that were skipped."
    )
    throttled_until = serializers.DateTimeField(allow_null=True, help_text="When the limits of its provider may let it go on.")
    throttled_reason = serializers.CharField()
    paused_at = serializers.DateTimeField(allow_null=True, help_text="When the batch was paused; null if it is not paused.")
    paused_by = serializers.CharField()
    paused_reason = serializers.CharField()
    parent_id = BatchIdIfAny()  # the batch whose failures this one retries
    input_file_id = FileIdIfAny()
    output_file_id = FileIdIfAny()
    error_file_id = FileIdIfAny()
    callback_url = serializers.SerializerMethodField(help_text="The URL that is told of the batch's end; null if it names none.")
    metadata = serializers.DictField(child=serializers.CharField(), allow_null=True)
    remark = serializers.CharField()
    key = NamedKey(source="created_by_key", allow_null=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="The deadline. Requests that were not sent by then are not sent.")
    in_progress_at = serializers.DateTimeField(allow_null=True)
    finalizing_at = serializers.DateTimeField(allow_null=True)
    cancelling_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    failed_at = serializers.DateTimeField(allow_null=True)
    expired_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    deleted_at = serializers.DateTimeField(allow_null=True, help_text="When the batch was hidden from its clients.")
    version = serializers.IntegerField(
        help_text="A counter that grows with every change of status and every other act on the batch."
    )
    links = serializers.SerializerMethodField()  # addresses under the host of `context["request"]`

    @extend_schema_field(ShownBatchState)
    def get_state(self, batch: Batch) -> dict[str, Any]:
        return dict(ShownBatchState(self.context["states"][batch.pk]).data)

    @extend_schema_field(ShownDelegation(allow_null=True))
    def get_delegation(self, batch: Batch) -> dict[str, Any] | None:
        found = self.context["delegations"].get(batch.pk)
        return None if found is None else dict(ShownDelegation(found).data)

    def get_callback_url(self, batch: Batch) -> str | None:
        return batch.callback_url or None

    @extend_schema_field(ShownGuards)
    def get_guards_in_force(self, batch: Batch) -> dict[str, Any]:
        return dict(ShownGuards(guards_of(batch)).data)

    @extend_schema_field(ShownExtras(allow_null=True))
    def get_extras(self, batch: Batch) -> dict[str, Any] | None:
        return dict(ShownExtras(kept_extras(batch)).data) if batch.extras else None

    @extend_schema_field(ShownLinks)
    def get_links(self, batch: Batch) -> dict[str, str | None]:
        return batch_links(batch, self.context["request"])


@extend_schema_serializer(component_name="Waiting")
class ShownWaiting(serializers.Serializer[Waiting]):
    """The reason why a batch waits at present."""

    code = serializers.ChoiceField(
        source="cause.value",
        choices=[cause.value for cause in Cause],
        help_text=" ".join(f"`{cause.value}`: {cause.sentence}" for cause in Cause),
    )
    sentence = serializers.CharField(help_text="The reason, for people.")
    until = serializers.DateTimeField(allow_null=True, help_text="When the batch may go on; null if that is not known.")
    details = serializers.DictField(help_text="Details of the reason, such as `by`, `reason`, `provider` or `ahead`.")


@extend_schema_serializer(component_name="BatchDetail")
class ShownBatchDetail(ShownBatch):
    """One batch, with the reason why it waits."""

    waiting = serializers.SerializerMethodField(
        help_text="The reason why the batch waits; null if it does not wait, or has ended."
    )

    @extend_schema_field(ShownWaiting(allow_null=True))
    def get_waiting(self, _batch: Batch) -> dict[str, Any] | None:
        found = self.context["waiting"]
        return None if found is None else dict(ShownWaiting(found).data)


def batch_object(batch: Batch, request: HttpRequest) -> dict[str, Any]:
    """The document for one batch. Its project, provider and key must be loaded."""
    found = stand(batch, now=timezone.now())
    known = {"states": {batch.pk: found.state}, "delegations": delegations([batch])}
    context = {"request": request, "waiting": found.waiting, **known}
    return ShownBatchDetail(context=context).to_representation(batch)


def batch_objects(batches: Sequence[Batch], request: HttpRequest) -> list[dict[str, Any]]:
    """The documents for batches whose projects, providers and keys are loaded. The number of queries does not grow with them."""
    load_counts(batches)
    states = states_of_batches(batches, now=timezone.now())
    return listed(ShownBatch, batches, request=request, states=states, delegations=delegations(batches))
