"""The views of batches for the dialects of OpenAI's shape. Each dialect only adds the format of a batch."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from batches.dialects.shared.creation import BatchCreation
from batches.dialects.shared.reading import find_batch_at
from batches.http.paging import page_after, query_number
from batches.http.rendering import list_object
from batches.http.views import DialectView
from batches.models import Batch
from batches.services.control.cancel import cancel
from batches.services.intake.idempotency import note_use


class BatchesView(DialectView):
    """A view of batches. A dialect overrides the methods that make its documents."""

    def shown(self, batches: Sequence[Batch]) -> list[dict[str, Any]]:
        """The dialect's documents for batches. The number of queries must not grow with the number of batches."""
        raise NotImplementedError

    def find(self, text: str) -> Batch:
        """The project's batch with this id. If the call names a provider, the batch must be at it. Raises NotFound."""
        return find_batch_at(self.key, text, provider=self.request.query_params.get("provider"))

    def answer(self, batch: Batch) -> Response:
        """The answer that shows one batch."""
        return Response(self.shown([batch])[0])


class Batches(BatchesView, BatchCreation):
    """/batches"""

    reads: ClassVar = {"GET": ("after", "limit"), "POST": ("provider",)}

    def get(self, request: Request) -> Response:
        limit = query_number(request.query_params, "limit", minimum=1, maximum=100, default=20)
        known = Batch.objects.visible(project=self.project)
        provider = request.query_params.get("provider")
        batches = known.filter(provider__name=provider) if provider else known
        page = page_after(batches, known, after=request.query_params.get("after"), limit=limit)
        note_use(page.rows, key=self.key, now=timezone.now())
        return Response(list_object(self.shown(page.rows), has_more=page.has_more))

    def post(self, request: Request) -> Response:
        batch, _ = self.created(request)
        return self.answer(batch)


class OneBatch(BatchesView):
    """/batches/{batch_id}"""

    def get(self, _request: Request, batch_id: str) -> Response:
        return self.answer(self.find(batch_id))


class CancelBatch(BatchesView):
    """/batches/{batch_id}/cancel"""

    def post(self, _request: Request, batch_id: str) -> Response:
        return self.answer(cancel(self.find(batch_id), actor=self.actor, now=timezone.now()))
