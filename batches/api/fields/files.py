"""Files as the native API shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from batches.api.fields.names import FileId
from batches.models import File, Purpose


@extend_schema_serializer(component_name="FileLinks")
class ShownFileLinks(serializers.Serializer[Any]):
    """Addresses of the file, and of its bytes."""

    self = serializers.URLField()
    content = serializers.URLField()


@extend_schema_serializer(component_name="File")
class ShownFile(serializers.Serializer[File]):
    """A file that a client uploaded, or that a batch wrote."""

    id = FileId()
    project = serializers.SlugField(source="project.slug")
    purpose = serializers.ChoiceField(choices=Purpose.choices)
    filename = serializers.CharField()
    bytes = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    links = serializers.SerializerMethodField()

    @extend_schema_field(ShownFileLinks)
    def get_links(self, file: File) -> dict[str, str]:
        itself = self.context["request"].build_absolute_uri(f"/api/v1/files/{file}")
        return {"self": itself, "content": f"{itself}/content"}
