"""How providers, batches and provider jobs stand, as clients of the native API get it."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer, inline_serializer
from rest_framework import serializers

from batches.api.fields.names import JobId
from batches.http.fields import Fields
from batches.models import ProviderJob, ProviderJobIncident
from batches.rules.display.counted import amount_of
from batches.rules.execution import IncidentCode, JobState, Recall
from batches.services.insight.delegation import Delegation
from batches.services.standing.batch_state import BatchCode, BatchState
from batches.services.standing.provider_state import ProviderCode, ProviderState


@extend_schema_serializer(component_name="ProviderState")
class ShownProviderState(serializers.Serializer[ProviderState]):
    """How a provider stands. The counts of calls are over all projects."""

    code = serializers.ChoiceField(
        source="code.value",
        choices=[code.value for code in ProviderCode],
        help_text=" ".join(f"`{code.value}`: {code.meaning}" for code in ProviderCode),
    )
    sentence = serializers.CharField(help_text="The state in a sentence with numbers, for people.")
    until = serializers.DateTimeField(allow_null=True, help_text="When the next test call may be sent, where that is known.")
    in_flight = serializers.IntegerField(help_text="Calls that were sent and not answered yet.")
    oldest_sent_at = serializers.DateTimeField(allow_null=True, help_text="When the first of these was sent.")
    allowed = serializers.IntegerField(help_text="How many calls may be in flight at present.")
    recent_calls = serializers.IntegerField(help_text="The latest calls with an outcome, of the last minute at most.")
    recent_succeeded = serializers.IntegerField(help_text="How many of these succeeded.")
    failed_in_a_row = serializers.IntegerField(help_text="Calls that failed since the last success.")


@extend_schema_serializer(component_name="BatchState")
class ShownBatchState(serializers.Serializer[BatchState]):
    """How a batch stands: its status, or what keeps it from going on."""

    code = serializers.ChoiceField(
        source="code.value",
        choices=[code.value for code in BatchCode],
        help_text="The status, or in its place: why a batch does not go on (`no_progress`: nothing has finished for a while, and "
        "no other reason is known), or how its requests ended (`recovered`: retries have made up for all failures; "
        "`partly_failed`, `all_failed`; `input_invalid`: nothing was sent). Further codes may come.",
    )
    word = serializers.CharField(help_text="The state in a word or two, for people.")
    sentence = serializers.CharField(help_text="The state in a sentence with numbers, for people.")
    until = serializers.DateTimeField(allow_null=True, help_text="When the batch may go on, where that is known.")


class Money(serializers.DecimalField):
    """An amount in the portal's currency; null if it is not known."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=28, decimal_places=6, allow_null=True, **options)


@extend_schema_serializer(component_name="Delegation")
class ShownDelegation(serializers.Serializer[Delegation]):
    """The provider jobs of a batch: their number in each state, and sums over the results that came home."""

    jobs = serializers.SerializerMethodField(help_text="The number of jobs in each state.")
    cost = Money(help_text="The cost of the requests that succeeded in jobs.")
    direct_cost = Money(help_text="The cost of the same requests, had the portal sent them directly.")
    saved = Money(help_text="`direct_cost` without `cost` and `paid_in_vain`; negative if delegating cost more.")
    paid_in_vain = Money(help_text="The cost of duplicates and of late results.")
    duplicates = serializers.IntegerField(help_text="Results of requests that another way had settled. They changed nothing.")
    late = serializers.IntegerField(help_text="Results that came after the batch had stopped. They changed nothing.")
    currency = serializers.SerializerMethodField(help_text="The currency of the costs.")

    @extend_schema_field(inline_serializer("JobsByState", {state.value: serializers.IntegerField() for state in JobState}))
    def get_jobs(self, delegation: Delegation) -> dict[str, int]:
        return {state.value: delegation.jobs.get(state, 0) for state in JobState}

    def get_currency(self, _delegation: Delegation) -> str:
        return settings.CURRENCY


@extend_schema_serializer(component_name="JobIncident")
class ShownIncident(serializers.Serializer[ProviderJobIncident]):
    """Something about a provider job that may need a person."""

    code = serializers.ChoiceField(choices=IncidentCode.choices)
    note = serializers.SerializerMethodField(help_text="What was seen, with the numbers of both sides.")
    opened_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True, help_text="Null while it is open.")

    def get_note(self, incident: ProviderJobIncident) -> str:
        return incident.note if self.context["quotes"] else ""


@extend_schema_serializer(component_name="ProviderCounts")
class ShownProviderCounts(serializers.Serializer[ProviderJob]):
    """The provider's counts of a job's requests. Null is not known."""

    total = serializers.IntegerField(source="reported_total", allow_null=True)
    succeeded = serializers.IntegerField(source="reported_succeeded", allow_null=True)
    failed = serializers.IntegerField(source="reported_failed", allow_null=True)


@extend_schema_serializer(component_name="CollectedCounts")
class ShownCollectedCounts(serializers.Serializer[ProviderJob]):
    """The portal's counts of the results of a job that came home, each result once."""

    total = serializers.IntegerField(source="collected")
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    never_ran = serializers.IntegerField(help_text="The provider did not carry them out: the job was cancelled or expired.")
    duplicates = serializers.IntegerField()
    late = serializers.IntegerField()
    foreign = serializers.IntegerField(help_text="Results of requests that were never in the job.")
    unreadable = serializers.IntegerField()


@extend_schema_serializer(component_name="ProviderJob")
class ShownProviderJob(serializers.Serializer[ProviderJob]):
    """A job at the provider's own batch API, over some lines of a batch."""

    id = JobId()
    state = serializers.ChoiceField(
        choices=JobState.choices, help_text=" ".join(f"`{state.value}`: {state.sentence}" for state in JobState)
    )
    sentence = serializers.SerializerMethodField(help_text="The state, for people.")
    note = serializers.SerializerMethodField(help_text="What the job waits for, or why it ended.")
    provider = serializers.CharField(source="provider.name")
    family = serializers.CharField(help_text="The kind of batch API.")
    model = serializers.CharField()
    window = serializers.CharField(help_text="The completion window that the provider was asked for.")
    attempt = serializers.IntegerField(help_text="1 for the first job that has these lines, 2 for the next one.")
    first_line = serializers.IntegerField()
    last_line = serializers.IntegerField()
    requests = serializers.IntegerField(source="rows", help_text="How many requests its input has.")
    bytes = serializers.IntegerField(help_text="The size of its input; 0 until it is uploaded.")
    marker = serializers.CharField(help_text="The portal's name of the job, by which it is found at the provider.")
    remote_id = serializers.CharField(help_text="The provider's id of the job; empty until it is known.")
    remote_status = serializers.CharField(source="word", help_text="The provider's own word for the state.")
    reported = ShownProviderCounts(source="*")
    collected = ShownCollectedCounts(source="*")
    cost = serializers.SerializerMethodField(help_text="The cost of the requests that succeeded.")
    direct_cost = serializers.SerializerMethodField(help_text="The cost of the same, had they been sent directly.")
    paid_in_vain = serializers.SerializerMethodField(help_text="The cost of duplicates and of late results.")
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True, help_text="Before its create call was made.")
    started_at = serializers.DateTimeField(allow_null=True, help_text="When it was known to exist at the provider.")
    ended_at = serializers.DateTimeField(allow_null=True)
    removed_at = serializers.DateTimeField(allow_null=True, help_text="When its files were deleted at the provider.")
    remote_created_at = serializers.DateTimeField(allow_null=True)
    remote_ended_at = serializers.DateTimeField(allow_null=True)
    remote_expires_at = serializers.DateTimeField(allow_null=True)
    next_poll_at = serializers.DateTimeField(
        source="poll_at", allow_null=True, help_text="When it is looked at next; null if there is nothing to do."
    )
    failed_polls = serializers.IntegerField(source="tries", help_text="How many calls in a row failed.")
    failure = serializers.SerializerMethodField(help_text="The latest failure of a call about the job.")
    recall = serializers.ChoiceField(
        choices=["", *Recall.values],
        help_text="Why the job is taken back; empty if it is not. "
        + " ".join(f"`{reason.value}`: {reason.label}." for reason in Recall),
    )
    recalled_at = serializers.DateTimeField(allow_null=True)
    recalled_by = serializers.CharField()
    released_at = serializers.DateTimeField(allow_null=True, help_text="When its open requests were left to others.")
    incidents = serializers.SerializerMethodField(help_text="What may need a person, or did.")

    def get_sentence(self, job: ProviderJob) -> str:
        return JobState(job.state).sentence

    def get_note(self, job: ProviderJob) -> str:
        return job.note if self.context["quotes"] else ""

    def get_failure(self, job: ProviderJob) -> str:
        return job.failure if self.context["quotes"] else ""

    @extend_schema_field(Money)
    def get_cost(self, job: ProviderJob) -> str | None:
        return _amount(job, job.cost_nanos)

    @extend_schema_field(Money)
    def get_direct_cost(self, job: ProviderJob) -> str | None:
        return _amount(job, job.direct_cost_nanos)

    @extend_schema_field(Money)
    def get_paid_in_vain(self, job: ProviderJob) -> str | None:
        return _amount(job, job.wasted_nanos)

    @extend_schema_field(ShownIncident(many=True))
    def get_incidents(self, job: ProviderJob) -> list[dict[str, Any]]:
        return [ShownIncident(context=self.context).to_representation(incident) for incident in job.incidents.all()]


def _amount(job: ProviderJob, nanos: int) -> str | None:
    if job.unpriced and not job.direct_cost_nanos:
        return None
    amount = Money().to_representation(amount_of(nanos))
    return str(amount)


@extend_schema_serializer(component_name="PollJob")
class PollJob(Fields):
    """An empty object; the body may be left out."""
