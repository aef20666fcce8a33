"""What OpenAI's clients send. Keys that are not named here are ignored."""

from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from rest_framework import serializers
from rest_framework.request import Request

from batches.dialects.base.errors import InvalidType, InvalidValue, MissingParameter
from batches.dialects.base.fields import Filename, Lifetime, Metadata, OneOf, Text, WholeNumber, form_lifetime
from batches.models import Purpose

ENDPOINTS = (
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
)
WINDOWS = {"24h": timedelta(hours=24)}
# What clients may upload files for. Others are listed, but only made by the portal.
UPLOADED = tuple(purpose.value for purpose in Purpose if purpose != Purpose.BATCH_OUTPUT)


class CreateFile(serializers.Serializer[Any]):
    """The fields of an upload's form, besides the file."""

    purpose = OneOf(UPLOADED)
    expires_after = Lifetime()


class CreateUpload(serializers.Serializer[Any]):
    """The promise of a file that arrives in parts."""

    bytes = WholeNumber(minimum=1)
    filename = Filename()
    mime_type = Text(max_length=255)
    purpose = OneOf(UPLOADED)
    expires_after = Lifetime()


class CompleteUpload(serializers.Serializer[Any]):
    """Which parts make up the file, in which order."""

    part_ids = serializers.ListField(
        child=Text(), error_messages={"not_a_list": "It must be a list of part ids.", "null": "It must not be null."}
    )
    md5 = Text(required=False, allow_null=True, default=None)


class CreateBatch(serializers.Serializer[Any]):
    """A batch over an uploaded file. `provider` is the portal's own: the name of the provider that shall carry it out."""

    input_file_id = Text()
    endpoint = OneOf(ENDPOINTS)
    completion_window = OneOf(WINDOWS)
    metadata = Metadata()
    output_expires_after = Lifetime()
    provider = Text(required=False, allow_null=True, default=None)


def valid(serializer: type[serializers.Serializer[Any]], data: object) -> dict[str, Any]:
    """The validated data. Raises DRF's ValidationError."""
    checked = serializer(data=data)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


def named_provider(request: Request) -> str | None:
    """The provider that a client names beside the body, as gateways have it."""
    return request.query_params.get("provider") or request.headers.get("x-model-provider") or None


def file_form(request: Request) -> "tuple[UploadedFile[Any], dict[str, Any]]":
    """The file of a form and its other fields, in whatever order they came."""
    content = one_file(request, "file")
    fields = {name: request.POST[name] for name in ("purpose",) if name in request.POST}
    lifetime = form_lifetime(request.POST, "expires_after")
    return content, valid(CreateFile, fields | ({"expires_after": lifetime} if lifetime else {}))


def one_file(request: Request, name: str) -> "UploadedFile[Any]":
    """The only file that the form has under this name."""
    _ = request.data  # parses the body
    found: list[UploadedFile[Any]] = request.FILES.getlist(name)
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidValue(f"Invalid value for '{name}': there must be one, not {len(found)}.", param=name)
    if name in request.POST:
        raise InvalidType(f"Invalid value for '{name}': it must be a file, with a filename.", param=name)
    raise MissingParameter(f"Missing required parameter: '{name}'.", param=name)
