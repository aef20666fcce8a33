"""Bodies and answers of the calls that pause, resume, retry, reroute and prioritise a batch."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.batch import ShownBatchDetail
from batches.api.fields.names import Priority
from batches.http.fields import Fields, Flag, Text, WholeNumber
from batches.models import LAST_LINE
from batches.rules import fingerprints
from batches.rules.actors import REASON_CHARS
from batches.services.retry.retry import RetryMode
from batches.services.retry.selection import MOST_GROUPS, MOST_LINES, Selection


class Lines(serializers.ListField):
    """A list of line numbers. A number may be in the list more than once."""

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
    """A body with the reason for an act."""

    reason = Text(max_length=REASON_CHARS, allow_blank=True, default="", help_text="Why; for the batch's timeline.")


@extend_schema_serializer(component_name="PauseBatch")
class PauseBatch(Reasoned):
    """The body may be left out."""


@extend_schema_serializer(component_name="ResumeBatch")
class ResumeBatch(Reasoned):
    """The body may be left out."""


@extend_schema_serializer(component_name="RetryBatch")
class RetryBatch(Reasoned):
    """The objects to send again: without `error_group`, `error_groups` and `lines`, all that did not succeed. May be left out."""

    error_group = Text(
        max_length=fingerprints.CHARS,
        required=False,
        allow_null=True,
        help_text="The fingerprint of an error group: only objects that failed for this reason are sent again.",
    )
    error_groups = Fingerprints(required=False, allow_null=True, help_text="Only objects that failed for one of these reasons.")
    worth_retrying = Flag(
        required=False, help_text="Leave out failures that another try will not mend, as the `hint` of their error group says."
    )
    lines = Lines(required=False, allow_null=True, help_text="Only the objects at these lines of the input.")
    provider = Text(
        max_length=64,
        required=False,
        allow_null=True,
        help_text="The provider of a child batch; if not given, that of its parent.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name in ("error_group", "error_groups"):
            if attrs.get(name) and attrs.get("lines"):
                raise serializers.ValidationError({"lines": f"Give either {name} or lines, not both."}, code="both")
        return attrs


@extend_schema_serializer(component_name="RerouteBatch")
class RerouteBatch(Reasoned):
    """The provider for the remaining requests."""

    provider = Text(max_length=64, help_text="The name of a provider that the project may use.")


@extend_schema_serializer(component_name="PrioritiseBatch")
class PrioritiseBatch(Reasoned):
    """The new priority."""

    priority = Priority()


@extend_schema_serializer(component_name="Retried")
class ShownRetried(serializers.Serializer[Any]):
    """The result of a retry. The numbers are null if the call repeats an earlier call."""

    mode = serializers.ChoiceField(
        choices=[mode.value for mode in RetryMode],
        help_text="`in_place`: this batch sends the objects again. `child`: a new batch does.",
    )
    retried = serializers.IntegerField(allow_null=True, help_text="The number of objects that are sent again.")
    skipped = serializers.IntegerField(
        allow_null=True,
        help_text="The number of selected objects that are not sent again: they did not fail, or another retry sends them.",
    )
    batch = ShownBatchDetail(help_text="The batch that sends the objects.")


RETRIED_IN_PLACE = OpenApiResponse(ShownRetried, "The failed objects are pending again in this batch.")
RETRIED_AS_CHILD = OpenApiResponse(ShownRetried, "A new batch sends the objects that did not succeed.")


def selection_of(fields: dict[str, Any]) -> Selection:
    """The objects that a retry selects."""
    lines = fields.get("lines")
    groups = [*(fields.get("error_groups") or ()), *filter(None, (fields.get("error_group"),))]
    return Selection(
        fingerprints=frozenset(groups),
        lines=None if lines is None else frozenset(lines),
        worth_retrying=fields.get("worth_retrying", False),
    )
