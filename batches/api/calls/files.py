"""Files: upload, list, retrieve, read, delete."""

import re
from datetime import timedelta

from django.conf import settings
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.fields.files import ShownFile
from batches.api.fields.names import listed
from batches.api.openapi import documented
from batches.api.openapi.schema import page_of
from batches.api.view import NativeView
from batches.dialects.shared.file_answers import file_answer
from batches.dialects.shared.files import FORM_BYTES, UPLOADED, one_file, others
from batches.http.errors import InvalidValue
from batches.http.fields import MAX_LIFETIME_SECONDS, MIN_LIFETIME_SECONDS, clean_filename, form_fields
from batches.http.paging import page_after, query_word
from batches.http.parsers import FormParser
from batches.models import ApiKey, Purpose
from batches.services.core.access import Right
from batches.services.storage.store import hide, store

FIELDS = ("purpose", "lifetime_seconds", "project")


class Files(NativeView):
    """/files"""

    tag = "Files"
    thing = "file"
    requires = {  # noqa: RUF012 - read only
        "list": Right.READ,
        "retrieve": Right.READ,
        "content": Right.READ_BODIES,
        "create": Right.ACT,
        "destroy": Right.ACT,
    }
    parser_classes = (FormParser,)

    def max_body_bytes(self) -> int:
        return settings.MAX_FILE_BYTES + FORM_BYTES if self.action == "create" else settings.MAX_JSON_BYTES

    @extend_schema(
        operation_id="list_files",
        summary="List files",
        parameters=[documented.PURPOSE, *documented.PAGE],
        responses=page_of(ShownFile, "FilePage"),
    )
    def list(self, request: Request) -> Response:
        """The files of your project, the newest first: uploaded files, and files that batches wrote."""
        query, caller = request.query_params, self.caller
        self.allow_parameters("purpose", "cursor", "limit")
        purpose = query_word(query, "purpose", words=tuple(Purpose.values), default="")
        files = caller.files(now=timezone.now()).select_related("project")
        page = page_after(
            files.filter(purpose=purpose) if purpose else files,
            caller.known_files(),
            after=query.get("cursor"),
            limit=self.limit(),
            name="cursor",
        )
        following = str(page.rows[-1]) if page.has_more else None
        return self.page(listed(ShownFile, page.rows, request=request), next_cursor=following)

    @extend_schema(
        operation_id="create_file",
        summary="Upload a file",
        request={"multipart/form-data": documented.CreateFile},
        responses={201: documented.UPLOADED},
    )
    def create(self, request: Request) -> Response:
        """Upload the input of a batch: one request on each line, as JSON. It is checked when a batch is created over it."""
        self.allow_parameters()
        content = one_file(request, "file")
        form = form_fields(request.POST, others(request.FILES, "file"), names=FIELDS)
        file = store(
            content,
            project=self.caller.project(form.get("project"), act=self.act),
            purpose=Purpose(query_word(form, "purpose", words=UPLOADED, default=Purpose.BATCH.value)),
            filename=clean_filename(content.name or ""),
            now=timezone.now(),
            lifetime=_lifetime(form.get("lifetime_seconds")),
            key=request.auth if isinstance(request.auth, ApiKey) else None,
        )
        shown = ShownFile(file, context={"request": request}).data
        return Response(shown, status=201, headers={"Location": shown["links"]["self"]})

    @extend_schema(operation_id="retrieve_file", summary="Retrieve a file", responses=ShownFile)
    def retrieve(self, request: Request, file_id: str) -> Response:
        """The properties of a file. Its bytes are at `links.content`."""
        self.allow_parameters()
        file = self.find_file(file_id, now=timezone.now())
        return Response(ShownFile(file, context={"request": request}).data)

    @extend_schema(
        operation_id="read_file",
        summary="Read a file",
        responses={(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, "The bytes, as they are kept.")},
    )
    def content(self, request: Request, file_id: str) -> HttpResponseBase:
        """The bytes of a file: an input as it was uploaded, or the results of a batch, one on each line."""
        self.allow_parameters()
        now = timezone.now()
        file = self.find_file(file_id, now=now)
        self.caller.note_read(file)
        return file_answer(request, file, filename=file.filename, content_type="application/octet-stream")

    @extend_schema(operation_id="delete_file", summary="Delete a file", responses={204: OpenApiResponse(None, "It is deleted.")})
    def destroy(self, _request: Request, file_id: str) -> Response:
        """Delete a file. It is hidden from everybody at once; a batch that runs over it still reads it."""
        self.allow_parameters()
        now = timezone.now()
        hide(self.find_file(file_id, now=now), now=now)
        return Response(status=204)


def _lifetime(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not MIN_LIFETIME_SECONDS <= int(text) <= MAX_LIFETIME_SECONDS:
        bounds = f"from {MIN_LIFETIME_SECONDS} to {MAX_LIFETIME_SECONDS}"
        raise InvalidValue(f"Invalid value for 'lifetime_seconds': it must be an integer {bounds}.", param="lifetime_seconds")
    return timedelta(seconds=int(text))
