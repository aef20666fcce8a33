"""The views of the Novita dialect: each parses, makes one call of a service, and renders."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from batches.dialects.base import files
from batches.dialects.base.creation import BatchCreation
from batches.dialects.base.paging import Page, page_after, query_number
from batches.dialects.base.reading import find_batch
from batches.dialects.base.rendering import list_object
from batches.dialects.base.views import DialectView
from batches.dialects.novita import inbound, outbound
from batches.dialects.novita.errors import render_error
from batches.models import Batch, Dialect, File
from batches.services.cancel import cancel


class NovitaView(DialectView):
    """A view of this dialect."""

    render_error = staticmethod(render_error)


class NovitaFiles(NovitaView, files.FilesView):
    """How files are shown."""

    def shown(self, file: File) -> dict[str, Any]:
        return outbound.file_object(file)

    def uploaded(self, file: File) -> dict[str, Any]:
        return outbound.uploaded(file)

    def listed(self, page: Page[File]) -> dict[str, Any]:
        return outbound.enveloped([self.shown(file) for file in page.rows])


class Files(NovitaFiles, files.Files):
    """/files"""

    def max_file_bytes(self) -> int:
        return settings.NOVITA_MAX_FILE_BYTES

    def input_lifetime(self) -> timedelta:
        return timedelta(seconds=settings.NOVITA_INPUT_LIFETIME_SECONDS)


class OneFile(NovitaFiles, files.OneFile):
    """/files/{file_id}"""


class FileContent(NovitaView, files.FileContent):
    """/files/{file_id}/content"""


class Batches(NovitaView, BatchCreation):
    """/batches"""

    dialect = Dialect.NOVITA
    parameters = inbound.CreateBatch

    def get(self, request: Request) -> Response:
        limit = query_number(request.query_params, "limit", minimum=1, maximum=100, default=20)
        batches = Batch.objects.visible(project=self.project)
        page = page_after(batches, batches, after=request.query_params.get("after"), limit=limit)
        return Response(list_object(outbound.batch_objects(page.rows), has_more=page.has_more))

    def post(self, request: Request) -> Response:
        batch, _ = self.created(request)
        return Response(outbound.batch_object(batch))


class OneBatch(NovitaView):
    """/batches/{batch_id}"""

    def get(self, _request: Request, batch_id: str) -> Response:
        return Response(outbound.batch_object(find_batch(self.project, batch_id)))


class CancelBatch(NovitaView):
    """/batches/{batch_id}/cancel"""

    def post(self, _request: Request, batch_id: str) -> Response:
        batch = cancel(find_batch(self.project, batch_id), actor=self.actor, now=timezone.now())
        return Response(outbound.batch_object(batch))
