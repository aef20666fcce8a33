"""Legal holds as clients of the native API get them, and the bodies of calls about them."""

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.names import ID, BatchIdIfAny
from batches.http.fields import Fields, Text
from batches.http.rendering import PrefixedId
from batches.models import LegalHold
from batches.rules.actors import REASON_CHARS

PREFIX = "hold_"


@extend_schema_field({"type": "string", "pattern": f"^{PREFIX}{ID}$", "example": f"{PREFIX}019bd3a2167a7d55b8c3e0a1f4d2c968"})
class HoldId(PrefixedId):
    """A legal hold's id."""

    def __init__(self) -> None:
        super().__init__(PREFIX)


@extend_schema_serializer(component_name="LegalHold")
class ShownHold(serializers.Serializer[LegalHold]):
    """An order to remove and erase nothing of a project, or of one of its batches."""

    id = HoldId()
    project = serializers.SlugField(source="project.slug")
    batch_id = BatchIdIfAny()
    active = serializers.SerializerMethodField(help_text="Whether nobody has released it.")
    reason = serializers.CharField()
    placed_by = serializers.CharField()
    placed_at = serializers.DateTimeField()
    released_by = serializers.CharField(help_text="Empty while it is active.")
    released_at = serializers.DateTimeField(allow_null=True)
    release_reason = serializers.CharField(help_text="Empty while it is active.")

    def get_active(self, hold: LegalHold) -> bool:
        return hold.released_at is None


@extend_schema_serializer(component_name="CreateLegalHold")
class CreateHold(Fields):
    """The hold to place."""

    reason = Text(max_length=REASON_CHARS, help_text="Why. It is kept, also after the release.")
    batch_id = Text(
        max_length=100, required=False, allow_null=True, default=None, help_text="The batch to hold; null: the whole project."
    )
    project = Text(required=False, allow_null=True, default=None, help_text="Only needed without an API key.")


@extend_schema_serializer(component_name="ReleaseLegalHold")
class ReleaseHold(Fields):
    """Why the hold ends."""

    reason = Text(max_length=REASON_CHARS, help_text="Why. It is kept.")
