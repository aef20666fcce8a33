"""What clients of the native API send and get when they pause, resume, retry, reroute and prioritise batches."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.batch import ShownBatchDetail
from batches.api.fields.creation import Flag
from batches.api.fields.names import Priority
from batches.http.fields import Fields, Text, WholeNumber
from batches.models import LAST_LINE
from batches.rules import fingerprints
from batches.rules.actors import REASON_CHARS
from batches.services.retry.retry import RetryMode
from batches.services.retry.selection import MOST_GROUPS, MOST_LINES, Selection


class Lines(serializers.ListField):
    """Numbers of lines, each once or more often."""

    child = WholeNumber(minimum=1, maximum=LAST_LINE)

    def __init__(self, **options: Any) -> None:
        bounds = f"It must have 1 to {MOST_LINES} lines."
        messages: dict[str, Any] = {"empty": bounds, "max_length": bounds, "not_a_list": "It must be a list of lines."}
        super().__init__(allow_empty=False, max_length=MOST_LINES, error_messages=messages, **options)


class Fingerprints(serializers.ListField):
    """Fingerprints of error groups."""

    child = Text(max_length=fingerprints.CHARS)

    def __init__(self, **options: Any) -> None:
        bounds = f"It must have 1 to {MOST_GROUPS} fingerprints."
        messages: dict[str, Any] = {"empty": bounds, "max_length": bounds, "not_a_list": "It must be a list of fingerprints."}
        super().__init__(allow_empty=False, max_length=MOST_GROUPS, error_messages=messages, **options)


class Reasoned(Fields):
    """Why something is done."""

    reason = Text(max_length=REASON_CHARS, allow_blank=True, default="", help_text="Why; for the batch's timeline.")


@extend_schema_serializer(component_name="PauseBatch")
class PauseBatch(Reasoned):
    """May be left out."""


@extend_schema_serializer(component_name="ResumeBatch")
class ResumeBatch(Reasoned):
    """May be left out."""


@extend_schema_serializer(component_name="RetryBatch")
class RetryBatch(Reasoned):
    """What to send again: without `error_group`, `error_groups` and `lines`, all that did not succeed. May be left out."""

    error_group = Text(
        max_length=fingerprints.CHARS,
        required=False,
        allow_null=True,
        help_text="Only objects that failed for this reason: the fingerprint.",
    )
    error_groups = Fingerprints(required=False, allow_null=True, help_text="Only objects that failed for one of these reasons.")
    worth_retrying = Flag(
        required=False, help_text="Leave out failures that another try will not mend, as the `hint` of their error group says."
    )
    lines = Lines(required=False, allow_null=True, help_text="Only the objects at these lines of the input.")
    provider = Text(
        max_length=64, required=False, allow_null=True, help_text="Who shall carry out a child batch; else whoever did before."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name in ("error_group", "error_groups"):
            if attrs.get(name) and attrs.get("lines"):
                raise serializers.ValidationError({"lines": f"Give either {name} or lines, not both."}, code="both")
        return attrs


@extend_schema_serializer(component_name="RerouteBatch")
class RerouteBatch(Reasoned):
    """Who shall carry out what is left."""

    provider = Text(max_length=64, help_text="The name of a provider that the project may use.")


@extend_schema_serializer(component_name="PrioritiseBatch")
class PrioritiseBatch(Reasoned):
    """How early it shall go."""

    priority = Priority()


@extend_schema_serializer(component_name="Retried")
class ShownRetried(serializers.Serializer[Any]):
    """What a retry did; the numbers are null where the call repeats an earlier one."""

    mode = serializers.ChoiceField(
        choices=[mode.value for mode in RetryMode], help_text="`in_place`: in this batch. `child`: in a new one."
    )
    retried = serializers.IntegerField(allow_null=True, help_text="How many objects are sent again.")
    skipped = serializers.IntegerField(
        allow_null=True,
        help_text="How many of those selected are not: they did not fail, or another retry has taken them up.",
    )
    batch = ShownBatchDetail(help_text="The batch that sends them.")


RETRIED_IN_PLACE = OpenApiResponse(ShownRetried, "What failed is pending again in this batch.")
RETRIED_AS_CHILD = OpenApiResponse(ShownRetried, "A new batch has what did not succeed.")


def selection_of(fields: dict[str, Any]) -> Selection:
    """What a retry is about."""
    lines = fields.get("lines")
    groups = [*(fields.get("error_groups") or ()), *filter(None, (fields.get("error_group"),))]
    return Selection(
        fingerprints=frozenset(groups),
        lines=None if lines is None else frozenset(lines),
        worth_retrying=fields.get("worth_retrying", False),
    )
