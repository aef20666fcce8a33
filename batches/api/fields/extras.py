"""Extras of a batch: headers of Anthropic's API that are sent to the upstream with each request."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from batches.http.fields import Text
from batches.services.intake.extras import NAME_CHARS, VERSION_CHARS, Extras

BETAS_HELP = "Beta features, sent as `anthropic-beta`."
VERSION_HELP = "The version that the requests were written for, sent as `anthropic-version` unless the provider has one."
USER_PROFILE_HELP = "The user on whose behalf the requests are sent, as `anthropic-user-profile-id`."


@extend_schema_serializer(component_name="SetExtras")
class SetExtras(serializers.Serializer[Any]):
    """Headers of Anthropic's API, for every request of a batch of `/v1/messages`."""

    default_error_messages = {"invalid": "It must be an object."}  # noqa: RUF012 - declared so by the base class

    betas = serializers.ListField(child=Text(max_length=NAME_CHARS), required=False, default=list, help_text=BETAS_HELP)
    version = Text(required=False, allow_blank=True, default="", max_length=VERSION_CHARS, help_text=VERSION_HELP)
    user_profile = Text(required=False, allow_blank=True, default="", max_length=NAME_CHARS, help_text=USER_PROFILE_HELP)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        unknown = [name for name in data if name not in self.fields] if isinstance(data, dict) else []
        if unknown:
            raise serializers.ValidationError({str(unknown[0])[:100]: "There is no such header."}, code="unknown")
        found: dict[str, Any] = super().to_internal_value(data)
        return found


@extend_schema_serializer(component_name="Extras")
class ShownExtras(serializers.Serializer[Extras]):
    """Headers of Anthropic's API that are sent with every request of the batch."""

    betas = serializers.ListField(child=serializers.CharField(), help_text=BETAS_HELP)
    version = serializers.CharField(help_text=VERSION_HELP)
    user_profile = serializers.CharField(help_text=USER_PROFILE_HELP)
