"""How long a project keeps what, and how much it has stored, as clients of the native API get it and say it."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from batches.http.fields import Fields, WholeNumber
from batches.models import RetentionKind
from batches.services.retention.disk_use import Stored, Use
from batches.services.retention.terms import Term

KINDS = " ".join(f"`{kind.value}`: {kind.sentence}" for kind in RetentionKind)
STORED = " ".join(f"`{stored.name.lower()}`: {stored.value}." for stored in Stored)


@extend_schema_serializer(component_name="RetentionTerm")
class ShownTerm(serializers.Serializer[Term]):
    """How long a project keeps one kind of things."""

    kind = serializers.ChoiceField(source="kind.value", choices=RetentionKind.values, help_text=KINDS)
    days = serializers.IntegerField(allow_null=True, help_text="How many days they are kept; null: the kind has no limit.")
    own_days = serializers.IntegerField(
        source="policy.days", default=None, allow_null=True, help_text="The days of the project's own policy; null without one."
    )
    set_by = serializers.CharField(source="policy.set_by", default=None, allow_null=True, help_text="Who set that policy.")
    set_at = serializers.DateTimeField(source="policy.set_at", default=None, allow_null=True)
    setting = serializers.CharField(help_text="The setting of the portal that holds without a policy.")
    least_days = serializers.SerializerMethodField(help_text="The fewest days that a policy may have.")
    most_days = serializers.SerializerMethodField(help_text="The most days that a policy may have.")

    def get_least_days(self, term: Term) -> int:
        return term.bounds[0]

    def get_most_days(self, term: Term) -> int:
        return term.bounds[1]


@extend_schema_serializer(component_name="Retention")
class ShownRetention(serializers.Serializer[Any]):
    """How long a project keeps each kind of things."""

    project = serializers.SlugField()
    terms = ShownTerm(many=True, help_text="A term for each kind.")


@extend_schema_serializer(component_name="UpdateRetention")
class UpdateRetention(Fields):
    """The days of the kinds to change. Null is the portal's term again. Kinds that you do not name stay as they are."""

    def get_fields(self) -> dict[str, Any]:
        """A field for each kind."""
        return {
            kind.value: WholeNumber(minimum=1, required=False, allow_null=True, help_text=kind.sentence) for kind in RetentionKind
        }


def days_of(fields: Mapping[str, int | None]) -> dict[RetentionKind, int | None]:
    """The days by kind."""
    return {RetentionKind(name): days for name, days in fields.items()}


@extend_schema_serializer(component_name="StoredKind")
class ShownUse(serializers.Serializer[Use]):
    """The stored files of one kind."""

    kind = serializers.SerializerMethodField(help_text=STORED)
    files = serializers.IntegerField()
    bytes = serializers.IntegerField()

    def get_kind(self, use: Use) -> str:
        return use.kind.name.lower()


@extend_schema_serializer(component_name="DiskUse")
class ShownDiskUse(serializers.Serializer[Any]):
    """The bytes that a project has in the file storage. Rows of the database are not counted."""

    project = serializers.SlugField()
    bytes = serializers.IntegerField(help_text="All of them.")
    kinds = ShownUse(many=True, help_text="The same bytes by what they are.")
