"""The views of the OpenAI dialect. Each view parses a call, calls one service, and renders the answer."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from batches.dialects.openai import inbound, outbound
from batches.dialects.openai.errors import render_error
from batches.dialects.shared import batches, files, models
from batches.dialects.shared.files import FORM_BYTES, one_file, others
from batches.dialects.shared.providers import require_granted
from batches.dialects.shared.reading import find_batch_at, find_upload
from batches.dialects.shared.result_documents import INCLUDED, document
from batches.dialects.shared.result_pages import parse_cursor
from batches.http.errors import InvalidValue
from batches.http.fields import form_fields, valid
from batches.http.paging import query_number, query_word
from batches.http.parsers import FormParser
from batches.http.views import DialectView
from batches.models import Batch, Dialect, Purpose, UploadStatus
from batches.rules import identifiers
from batches.services.intake.uploads import add_part, cancel_upload, complete_upload, start_upload


class OpenAIView(DialectView):
    """A view of this dialect. Clients of gateways send `provider` with every call."""

    render_error = staticmethod(render_error)
    key_headers = ("api-key",)  # the header of Azure's clients
    always_reads = ("provider",)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if (provider := request.query_params.get("provider")) and "\0" not in provider:
            require_granted(self.project, provider)


class Files(OpenAIView, files.Files):
    """/files"""


class OneFile(OpenAIView, files.OneFile):
    """/files/{file_id}"""


class FileContent(OpenAIView, files.FileContent):
    """/files/{file_id}/content"""


class Uploads(OpenAIView):
    """/uploads"""

    def post(self, request: Request) -> Response:
        fields = valid(inbound.CreateUpload, request.data)
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
        content = one_file(request, "data")
        form_fields(request.POST, others(request.FILES, "data"), names=())
        part = add_part(upload, content, now=timezone.now())
        return Response(outbound.ShownPart(part).data)


class CompleteUpload(OpenAIView):
    """/uploads/{upload_id}/complete"""

    def post(self, request: Request, upload_id: str) -> Response:
        upload = find_upload(self.project, upload_id)
        if (
            self.is_retry and upload.status == UploadStatus.COMPLETED
        ):  # the first answer was lost, and only this answer names the file
            return Response(outbound.ShownUpload(upload).data)
        fields = valid(inbound.CompleteUpload, request.data)
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
        upload = find_upload(self.project, upload_id)
        if not (self.is_retry and upload.status == UploadStatus.CANCELLED):
            upload = cancel_upload(upload, now=timezone.now())
        return Response(outbound.ShownUpload(upload).data)


class Models(OpenAIView, models.Models):
    """/models"""


class OneModel(OpenAIView, models.OneModel):
    """/models/{model}"""


class OpenAIBatches(OpenAIView, batches.BatchesView):
    """The format of batches."""

    def shown(self, batches: Sequence[Batch]) -> list[dict[str, Any]]:
        return outbound.batch_objects(batches)


class Batches(OpenAIBatches, batches.Batches):
    """/batches"""

    dialect = Dialect.OPENAI
    create_path = "/v1/batches"
    parameters = inbound.CreateBatch


class OneBatch(OpenAIBatches, batches.OneBatch):
    """/batches/{batch_id}"""


class CancelBatch(OpenAIBatches, batches.CancelBatch):
    """/batches/{batch_id}/cancel"""


class BatchResults(OpenAIView):
    """/batches/{batch_id}/results"""

    reads: ClassVar = {"GET": ("after", "limit", "include")}

    def get(self, request: Request, batch_id: str) -> Response:
        query = request.query_params
        limit = query_number(query, "limit", minimum=1, maximum=1000, default=100)
        cursor = parse_cursor(query.get("after"))
        include = query_word(query, "include", words=INCLUDED, default="")
        batch = find_batch_at(self.key, batch_id, provider=query.get("provider"))
        return Response(document(batch, cursor=cursor, limit=limit, include=include))
