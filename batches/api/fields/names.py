"""Fields that several bodies of the native API have: ids, names, a priority; and the rows of lists."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from batches.http.fields import WholeNumber
from batches.http.rendering import PrefixedId
from batches.models import ApiKey
from batches.services.control.prioritise import HIGHEST, LOWEST
from providers.models import Provider

ID = "[0-9a-f]{32}"
BATCH_ID = {"type": "string", "pattern": f"^batch_{ID}$", "example": "batch_019bd3a1c0de7b33a9d41f52c8e07a66"}


@extend_schema_field(BATCH_ID)
class BatchId(PrefixedId):
    """A batch's id. Calls also accept other spellings of it, such as `msgbatch_…` or a plain UUID."""

    def __init__(self) -> None:
        super().__init__("batch_")


@extend_schema_field({**BATCH_ID, "nullable": True})
class BatchIdIfAny(BatchId):
    """A batch's id, or null."""


@extend_schema_field({"type": "string", "pattern": f"^job_{ID}$", "example": "job_019bd3a1d2f07c44b0e1a86390b4c215"})
class JobId(PrefixedId):
    """A provider job's id."""

    def __init__(self) -> None:
        super().__init__("job_")


FILE_ID = {"type": "string", "pattern": f"^file-{ID}$", "example": "file-019bd3a0f1e97d0c8b52a6e4731c9d08"}


@extend_schema_field(FILE_ID)
class FileId(PrefixedId):
    """A file's id."""

    def __init__(self) -> None:
        super().__init__("file-")


@extend_schema_field({**FILE_ID, "nullable": True})
class FileIdIfAny(FileId):
    """A file's id, or null."""


@extend_schema_serializer(component_name="ProviderName")
class NamedProvider(serializers.Serializer[Provider]):
    """A provider's name, and whether its answers are made up."""

    name = serializers.CharField()
    simulated = serializers.BooleanField()


@extend_schema_serializer(component_name="KeyName")
class NamedKey(serializers.Serializer[ApiKey]):
    """An API key: its name, and the first characters of its text, which tell it from other keys."""

    name = serializers.CharField()
    prefix = serializers.CharField()


class Priority(WholeNumber):
    """The rank of a batch among the batches of its project."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            minimum=LOWEST, maximum=HIGHEST, help_text="In its project, a batch with a higher priority goes first.", **options
        )


def listed(serializer: type[serializers.Serializer[Any]], rows: Iterable[Any], **context: Any) -> list[dict[str, Any]]:
    """The documents of this serializer for rows."""
    one = serializer(context=context)
    return [one.to_representation(row) for row in rows]
