"""The views of the OpenAI dialect: each parses, makes one call of a service, and renders."""

from django.conf import settings
from django.http import FileResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from batches import identifiers
from batches.dialects.base.errors import InvalidValue
from batches.dialects.base.fields import clean_filename
from batches.dialects.base.paging import page_after, query_number, query_word
from batches.dialects.base.parsers import FormParser
from batches.dialects.base.reading import find_batch, find_file, find_upload
from batches.dialects.base.result_pages import parse_cursor, result_page, with_requests
from batches.dialects.base.views import DialectView
from batches.dialects.openai import inbound, outbound
from batches.dialects.openai.errors import render_error
from batches.errors import Gone
from batches.models import Batch, Dialect, File, Purpose
from batches.services.cancel import cancel
from batches.services.store import hide, store
from batches.services.submit import submit
from batches.services.upload import add_part, cancel_upload, complete_upload, start_upload

FORM_BYTES = 1024**2  # what a form may have besides its file

# Purposes that a list may be asked for: those of stored files, and words of the contract that none has here.
LISTED_PURPOSES = (*Purpose.values, "assistants_output", "fine-tune-results")


class OpenAIView(DialectView):
    """A view of this dialect."""

    render_error = staticmethod(render_error)


class Files(OpenAIView):
    """/files"""

    parser_classes = (FormParser,)

    def max_body_bytes(self) -> int:
        return settings.MAX_FILE_BYTES + FORM_BYTES

    def get(self, request: Request) -> Response:
        query = request.query_params
        limit = query_number(query, "limit", minimum=1, maximum=10_000, default=10_000)
        order = query_word(query, "order", words=("asc", "desc"), default="desc")
        purpose = query_word(query, "purpose", words=LISTED_PURPOSES, default="")
        files = File.objects.visible(project=self.project, now=timezone.now())
        page = page_after(
            files.filter(purpose=purpose) if purpose else files,
            File.objects.filter(project=self.project),
            after=query.get("after"),
            limit=limit,
            order=order,
        )
        return Response(outbound.listed(outbound.file_objects(page.rows), has_more=page.has_more))

    def post(self, request: Request) -> Response:
        content, fields = inbound.file_form(request)
        file = store(
            content,
            project=self.project,
            purpose=Purpose(fields["purpose"]),
            filename=clean_filename(content.name or ""),
            now=timezone.now(),
            lifetime=fields["expires_after"],
            key=self.key,
        )
        return Response(outbound.ShownFile(file).data)


class OneFile(OpenAIView):
    """/files/{file_id}"""

    def get(self, _request: Request, file_id: str) -> Response:
        return Response(outbound.ShownFile(find_file(self.project, file_id, now=timezone.now())).data)

    def delete(self, _request: Request, file_id: str) -> Response:
        now = timezone.now()
        file = find_file(self.project, file_id, now=now)
        hide(file, now=now)
        return Response(outbound.deleted(file))


class FileContent(OpenAIView):
    """/files/{file_id}/content"""

    def get(self, _request: Request, file_id: str) -> FileResponse:
        file = find_file(self.project, file_id, now=timezone.now())
        try:
            content = file.content.open("rb")
        except FileNotFoundError:
            raise Gone from None
        return FileResponse(content, as_attachment=True, filename=file.filename, content_type="application/octet-stream")


class Uploads(OpenAIView):
    """/uploads"""

    def post(self, request: Request) -> Response:
        fields = inbound.valid(inbound.CreateUpload, request.data)
        upload = start_upload(
            self.project,
            filename=fields["filename"],
            mime_type=fields["mime_type"],
            purpose=Purpose(fields["purpose"]),
            size=fields["bytes"],
            now=timezone.now(),
            file_lifetime=fields["expires_after"],
            key=self.key,
        )
        return Response(outbound.ShownUpload(upload).data)


class UploadParts(OpenAIView):
    """/uploads/{upload_id}/parts"""

    parser_classes = (FormParser,)

    def max_body_bytes(self) -> int:
        return settings.MAX_PART_BYTES + FORM_BYTES

    def post(self, request: Request, upload_id: str) -> Response:
        upload = find_upload(self.project, upload_id)
        part = add_part(upload, inbound.one_file(request, "data"), now=timezone.now())
        return Response(outbound.ShownPart(part).data)


class CompleteUpload(OpenAIView):
    """/uploads/{upload_id}/complete"""

    def post(self, request: Request, upload_id: str) -> Response:
        upload = find_upload(self.project, upload_id)
        fields = inbound.valid(inbound.CompleteUpload, request.data)
        part_ids = []
        for text in fields["part_ids"]:
            part_id = identifiers.parse(text)
            if part_id is None:
                raise InvalidValue(f"The upload has no part {text[:100]!r}.", param="part_ids")
            part_ids.append(part_id)
        upload = complete_upload(upload, part_ids=part_ids, now=timezone.now(), md5=fields["md5"])
        return Response(outbound.ShownUpload(upload).data)


class CancelUpload(OpenAIView):
    """/uploads/{upload_id}/cancel"""

    def post(self, _request: Request, upload_id: str) -> Response:
        upload = cancel_upload(find_upload(self.project, upload_id), now=timezone.now())
        return Response(outbound.ShownUpload(upload).data)


class Batches(OpenAIView):
    """/batches"""

    def get(self, request: Request) -> Response:
        limit = query_number(request.query_params, "limit", minimum=1, maximum=100, default=20)
        batches = Batch.objects.visible(project=self.project)
        page = page_after(batches, batches, after=request.query_params.get("after"), limit=limit)
        return Response(outbound.listed(outbound.batch_objects(page.rows), has_more=page.has_more))

    def post(self, request: Request) -> Response:
        fields = inbound.valid(inbound.CreateBatch, request.data)
        now = timezone.now()
        window = fields["completion_window"]
        batch = submit(
            self.project,
            dialect=Dialect.OPENAI,
            endpoint=fields["endpoint"],
            input_file=find_file(self.project, fields["input_file_id"], now=now, param="input_file_id"),
            completion_window=window,
            window=inbound.WINDOWS[window],
            actor=self.actor,
            now=now,
            key=self.key,
            metadata=fields["metadata"],
            output_lifetime=fields["output_expires_after"],
            provider_name=fields["provider"] or inbound.named_provider(request),
        )
        return Response(outbound.batch_object(batch))


class OneBatch(OpenAIView):
    """/batches/{batch_id}"""

    def get(self, _request: Request, batch_id: str) -> Response:
        return Response(outbound.batch_object(find_batch(self.project, batch_id)))


class CancelBatch(OpenAIView):
    """/batches/{batch_id}/cancel"""

    def post(self, _request: Request, batch_id: str) -> Response:
        batch = cancel(find_batch(self.project, batch_id), actor=self.actor, now=timezone.now())
        return Response(outbound.batch_object(batch))


class BatchResults(OpenAIView):
    """/batches/{batch_id}/results"""

    def get(self, request: Request, batch_id: str) -> Response:
        query = request.query_params
        limit = query_number(query, "limit", minimum=1, maximum=1000, default=100)
        cursor = parse_cursor(query.get("after"))
        include = query_word(query, "include", words=("request",), default="")
        batch = find_batch(self.project, batch_id)
        page, requests = result_page(batch, cursor=cursor, limit=limit), None
        if include:
            page, requests = with_requests(page, batch)
        return Response(outbound.results_object(batch, page, requests))
