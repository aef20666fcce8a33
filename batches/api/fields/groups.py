"""Error groups as the native API shows them, and the bodies of calls that mute or annotate one."""

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
    """An error group over all the projects that you see. `count`, `trend` and `batches` are for the window of the call."""

    fingerprint = serializers.CharField()
    count = serializers.IntegerField()
    trend = serializers.ListField(
        child=serializers.IntegerField(), help_text="The count in each of several equal intervals; the last one ends now."
    )
    batches = serializers.IntegerField(help_text="The number of batches with such failures, counted up to 100 for each project.")
    more_batches = serializers.BooleanField(help_text="Whether there are more such batches than `batches`.")
    projects = serializers.ListField(child=serializers.SlugField())
    providers = serializers.ListField(child=serializers.SlugField())
    code = serializers.CharField()
    source = serializers.CharField(help_text="Who has to act on these failures.")  # type: ignore[assignment]  # a field has one, too
    kind = serializers.CharField(source="kind.value", allow_null=True)
    http_status = serializers.IntegerField(allow_null=True)
    sample = serializers.CharField(help_text="One of the messages.")
    sentence = serializers.CharField(help_text="The meaning of this kind of failure.")
    hint = serializers.CharField(help_text="Whether trying again can help.")
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField(allow_null=True)
    muted = serializers.BooleanField(help_text="Whether the group is muted in every project.")
    note = serializers.CharField()
    noted_by = serializers.CharField()


@extend_schema_serializer(component_name="Because")
class ShownBecause(serializers.Serializer[Any]):
    """The properties that all members of an error group share. Words in angle brackets in `message` stand for parts that vary."""

    message = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field has one, too
    provider = serializers.CharField()
    http_status = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    version = serializers.CharField(help_text="The version of the rules by which messages are compared.")


@extend_schema_serializer(component_name="GroupDetail")
class ShownGroupDetail(ShownGroup):
    """An error group, with the properties that its members share."""

    messages = serializers.ListField(
        child=serializers.CharField(), help_text="Up to five different messages of members, unchanged."
    )
    because = ShownBecause()


@extend_schema_serializer(component_name="GroupMember")
class ShownMember(serializers.Serializer[BatchError]):
    """An object that failed for this reason, with its message. Read the object at `/batches/{batch_id}/objects/{line}`."""

    batch_id = BatchId()
    line = serializers.IntegerField()
    round = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="MuteGroup")
class MuteGroup(Fields):
    """The reason for muting."""

    reason = Text(max_length=RECORDED_REASON_CHARS, allow_blank=True, default="")


@extend_schema_serializer(component_name="AnnotateGroup")
class AnnotateGroup(Fields):
    """A note for other people."""

    note = Text(max_length=GROUP_NOTE_CHARS, allow_blank=True)
