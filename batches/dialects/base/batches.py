"""Batches, for the dialects of OpenAI's shape: the views, which differ in nothing but how a batch is shown."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from batches.dialects.base.creation import BatchCreation
from batches.dialects.base.paging import page_after, query_number
from batches.dialects.base.reading import find_batch
from batches.dialects.base.rendering import list_object
from batches.dialects.base.views import DialectView
from batches.models import Batch
from batches.services.cancel import cancel
from batches.services.once import note_use


class BatchesView(DialectView):
    """A view of batches. A dialect says here how it shows them."""

    def shown(self, batches: Sequence[Batch]) -> list[dict[str, Any]]:
        """Batches, with as many queries for many as for one."""
        raise NotImplementedError

    def answer(self, batch: Batch) -> Response:
        """One batch."""
        return Response(self.shown([batch])[0])


class Batches(BatchesView, BatchCreation):
    """/batches"""

    def get(self, request: Request) -> Response:
        limit = query_number(request.query_params, "limit", minimum=1, maximum=100, default=20)
        batches = Batch.objects.visible(project=self.project)
        page = page_after(batches, batches, after=request.query_params.get("after"), limit=limit)
        note_use(page.rows, key=self.key, now=timezone.now())
        return Response(list_object(self.shown(page.rows), has_more=page.has_more))

    def post(self, request: Request) -> Response:
        batch, _ = self.created(request)
        return self.answer(batch)


class OneBatch(BatchesView):
    """/batches/{batch_id}"""

    def get(self, _request: Request, batch_id: str) -> Response:
        return self.answer(find_batch(self.key, batch_id))


class CancelBatch(BatchesView):
    """/batches/{batch_id}/cancel"""

    def post(self, _request: Request, batch_id: str) -> Response:
        return self.answer(cancel(find_batch(self.key, batch_id), actor=self.actor, now=timezone.now()))
