"""The views of files for the dialects whose clients upload files. Each dialect only adds the format of a file."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from batches.dialects.shared.file_answers import file_answer
from batches.dialects.shared.reading import find_file
from batches.http.errors import InvalidType, InvalidValue, MissingParameter
from batches.http.fields import Fields, Lifetime, OneOf, clean_filename, form_fields, valid
from batches.http.paging import Page, page_after, query_number, query_word
from batches.http.parsers import FormParser
from batches.http.rendering import Constant, PrefixedId, UnixTime, list_object
from batches.http.views import DialectView
from batches.models import File, Purpose
from batches.rules.errors import TooLarge
from batches.services.intake.idempotency import note_read
from batches.services.storage.store import hide, size_limit, store

FORM_BYTES = 1024**2  # the most bytes of a form besides its file

# The purposes for which clients may upload files. Files with other purposes are listed too, but only the portal makes them.
UPLOADED = tuple(purpose.value for purpose in Purpose if purpose != Purpose.BATCH_OUTPUT)
# The purposes that a list can be filtered by: those of stored files, and words of the contracts that no file here has.
LISTED = (*Purpose.values, "assistants_output", "fine-tune-results", "responses")


class CreateFile(Fields):
    """The fields of an upload's form, besides the file."""

    purpose = OneOf(UPLOADED)
    expires_after = Lifetime()


class ShownFile(serializers.Serializer[File]):
    """A file. Its status is always `processed`, since a stored file can be used at once."""

    id = PrefixedId("file-")
    object = Constant("file")
    bytes = serializers.ReadOnlyField()
    created_at = UnixTime()
    expires_at = UnixTime()
    filename = serializers.ReadOnlyField()
    purpose = serializers.ReadOnlyField()
    status = Constant("processed")


class FilesView(DialectView):
    """A view of files. A dialect overrides the methods that make its documents."""

    def shown(self, file: File) -> Mapping[str, Any]:
        """The dialect's document for a file."""
        return ShownFile(file).data

    def uploaded(self, file: File) -> Mapping[str, Any]:
        """The document for a file that was just stored."""
        return self.shown(file)

    def listed(self, page: Page[File]) -> Mapping[str, Any]:
        """The document for a page of files."""
        return list_object(map(self.shown, page.rows), has_more=page.has_more)

    def deleted(self, file: File) -> Mapping[str, Any]:
        """The document for a deleted file."""
        return {"id": str(file), "object": "file", "deleted": True}


class Files(FilesView):
    """/files"""

    parser_classes = (FormParser,)
    reads: ClassVar = {"GET": ("after", "limit", "order", "purpose")}
    form_names: ClassVar[tuple[str, ...]] = ()  # further fields of the dialect's forms

    def max_file_bytes(self) -> int:
        """The most bytes that a file of any purpose may have."""
        return settings.MAX_FILE_BYTES

    def input_lifetime(self) -> timedelta | None:
        """The lifetime of a batch's input, if the client sets none; None for the lifetime of other files."""
        return None

    def max_body_bytes(self) -> int:
        return self.max_file_bytes() + FORM_BYTES

    def get(self, request: Request) -> Response:
        query = request.query_params
        limit = query_number(query, "limit", minimum=1, maximum=10_000, default=10_000)
        order = query_word(query, "order", words=("asc", "desc"), default="desc")
        purpose = query_word(query, "purpose", words=LISTED, default="")
        files = File.objects.visible(project=self.project, now=timezone.now())
        page = page_after(
            files.filter(purpose=purpose) if purpose else files,
            File.objects.filter(project=self.project),
            after=query.get("after"),
            limit=limit,
            order=order,
        )
        return Response(self.listed(page))

    def post(self, request: Request) -> Response:
        self.require_room_for_body(besides=FORM_BYTES)
        content, fields = file_form(request, besides=self.form_names)
        purpose = Purpose(fields["purpose"])
        if (content.size or 0) > (limit := self.max_file_bytes()):
            raise TooLarge(f"The file has {content.size} bytes; it may have {limit}.", param="file")
        file = store(
            content,
            project=self.project,
            purpose=purpose,
            filename=clean_filename(content.name or ""),
            now=timezone.now(),
            lifetime=fields["expires_after"] or (self.input_lifetime() if purpose == Purpose.BATCH else None),
            key=self.key,
            limit=min(limit, size_limit(purpose)),
        )
        return Response(self.uploaded(file))


class OneFile(FilesView):
    """/files/{file_id}"""

    def get(self, _request: Request, file_id: str) -> Response:
        return Response(self.shown(find_file(self.project, file_id, now=timezone.now())))

    def delete(self, _request: Request, file_id: str) -> Response:
        now = timezone.now()
        file = find_file(self.project, file_id, now=now)
        hide(file, now=now)
        return Response(self.deleted(file))


class FileContent(DialectView):
    """/files/{file_id}/content"""

    def get(self, request: Request, file_id: str) -> HttpResponseBase:
        now = timezone.now()
        file = find_file(self.project, file_id, now=now)
        note_read(file, key=self.key, now=now)
        return file_answer(request, file, filename=file.filename, content_type="application/octet-stream")


def file_form(request: Request, *, besides: Iterable[str] = ()) -> "tuple[UploadedFile[Any], dict[str, Any]]":
    """The file of a form, and its other fields, in any order. `besides` are further fields, which the dialect reads itself."""
    content = one_file(request, "file")
    names = ("purpose", *besides)
    fields = form_fields(request.POST, others(request.FILES, "file"), names=names, lifetime="expires_after")
    return content, valid(CreateFile, {name: value for name, value in fields.items() if name not in besides})


def others(files: Iterable[str], name: str) -> list[str]:
    """The names of files, without this one."""
    return [found for found in files if found != name]


def one_file(request: Request, name: str) -> "UploadedFile[Any]":
    """The file under this name in a form. Raises InvalidRequest unless there is exactly one."""
    _ = request.data  # parses the body
    found: list[UploadedFile[Any]] = request.FILES.getlist(name)
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidValue(f"Invalid value for '{name}': there must be one, not {len(found)}.", param=name)
    if name in request.POST:
        raise InvalidType(f"Invalid value for '{name}': it must be a file, with a filename.", param=name)
    raise MissingParameter(f"Missing required parameter: '{name}'.", param=name)
