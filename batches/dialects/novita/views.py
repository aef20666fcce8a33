"""The views of the Novita dialect. Each view parses a call, calls one service, and renders the answer."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings

from batches.dialects.novita import inbound, outbound
from batches.dialects.novita.errors import render_error
from batches.dialects.shared import batches, files, models
from batches.http.paging import Page
from batches.http.views import DialectView
from batches.models import Batch, Dialect, File


class NovitaView(DialectView):
    """A view of this dialect."""

    render_error = staticmethod(render_error)


class NovitaFiles(NovitaView, files.FilesView):
    """The format of files."""

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


class Models(NovitaView, models.Models):
    """/models"""


class OneModel(NovitaView, models.OneModel):
    """/models/{model}"""


class NovitaBatches(NovitaView, batches.BatchesView):
    """The format of batches."""

    def shown(self, batches: Sequence[Batch]) -> list[dict[str, Any]]:
        return outbound.batch_objects(batches)


class Batches(NovitaBatches, batches.Batches):
    """/batches"""

    dialect = Dialect.NOVITA
    create_path = "/openai/v1/batches"
    parameters = inbound.CreateBatch
    endpoints = inbound.ENDPOINTS


class OneBatch(NovitaBatches, batches.OneBatch):
    """/batches/{batch_id}"""


class CancelBatch(NovitaBatches, batches.CancelBatch):
    """/batches/{batch_id}/cancel"""
