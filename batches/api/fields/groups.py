"""Error groups as clients of the native API get them, and what is sent about them."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.names import BatchId
from batches.http.fields import Fields, Text
from batches.models import BatchError
from batches.models.error_group import GROUP_NOTE_CHARS
from batches.services.core.audit import RECORDED_REASON_CHARS


@extend_schema_serializer(component_name="Group")
class ShownGroup(serializers.Serializer[Any]):
    """An error group, over all the projects that you see. `count`, `trend` and `batches` are those of the window."""

    fingerprint = serializers.CharField()
    count = serializers.IntegerField()
    trend = serializers.ListField(child=serializers.IntegerField(), help_text="The count in equal steps up to now.")
    batches = serializers.IntegerField(help_text="How many batches it touched, counted to 100 for each project.")
    more_batches = serializers.BooleanField(help_text="Whether it touched more than `batches`.")
    projects = serializers.ListField(child=serializers.SlugField())
    providers = serializers.ListField(child=serializers.SlugField())
    code = serializers.CharField()
    source = serializers.CharField(help_text="Who has to act on it.")  # type: ignore[assignment]  # a field has one, too
    kind = serializers.CharField(source="kind.value", allow_null=True)
    http_status = serializers.IntegerField(allow_null=True)
    sample = serializers.CharField(help_text="One of the messages.")
    sentence = serializers.CharField(help_text="What its kind of failure means.")
    hint = serializers.CharField(help_text="Whether trying again can help.")
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField(allow_null=True)
    muted = serializers.BooleanField(help_text="Whether it was set aside in every project.")
    note = serializers.CharField()
    noted_by = serializers.CharField()


@extend_schema_serializer(component_name="Because")
class ShownBecause(serializers.Serializer[Any]):
    """What the members of an error group are alike in; `message` has words in angle brackets for what varies."""

    message = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field has one, too
    provider = serializers.CharField()
    http_status = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    version = serializers.CharField(help_text="Of the rules by which messages are compared.")


@extend_schema_serializer(component_name="GroupDetail")
class ShownGroupDetail(ShownGroup):
    """An error group, and why its members are in it."""

    messages = serializers.ListField(child=serializers.CharField(), help_text="Up to five different ones, as they came.")
    because = ShownBecause()


@extend_schema_serializer(component_name="GroupMember")
class ShownMember(serializers.Serializer[BatchError]):
    """An object that failed so, and what it was told. Find it at `/batches/{batch_id}/objects/{line}`."""

    batch_id = BatchId()
    line = serializers.IntegerField()
    round = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="MuteGroup")
class MuteGroup(Fields):
    """Why."""

    reason = Text(max_length=RECORDED_REASON_CHARS, allow_blank=True, default="")


@extend_schema_serializer(component_name="AnnotateGroup")
class AnnotateGroup(Fields):
    """Note for other operators."""

    note = Text(max_length=GROUP_NOTE_CHARS, allow_blank=True)
