"""How providers and batches stand, as clients of the native API get it: the decisions of `services.standing`."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

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
