"""The views of the Anthropic dialect. Each view parses a call, calls one service, and renders the answer."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from batches.dialects.anthropic import inbound, outbound
from batches.dialects.anthropic.errors import render_error
from batches.dialects.shared import models
from batches.dialects.shared.providers import named_provider
from batches.dialects.shared.reading import archived_at, find_batch
from batches.http.errors import InvalidValue
from batches.http.paging import page_beside, query_number
from batches.http.views import DialectView
from batches.models import Batch, Dialect
from batches.rules.errors import Gone, InvalidRequest, NotFound
from batches.services.control.cancel import NotCancellable, cancel
from batches.services.control.delete import delete
from batches.services.intake.extras import asked_extras
from batches.services.intake.idempotency import note_use
from batches.services.intake.inline import spooled, submit_gathered
from batches.services.intake.submission import Submission
from batches.services.policy.catalogue import OfferedModel
from batches.services.results.results import results

WINDOW = timedelta(hours=24)
LIFECYCLES = ("active", "deprecated", "retired")  # the states of models in the contract; all models of the portal are active
PATH = "/v1/messages/batches"


class NotEnded(InvalidRequest):
    """The batch has not ended: its results are there once its processing_status is ended."""

    code = "not_ended"


class AnthropicView(DialectView):
    """A view of this dialect. It shows batches of messages, whichever dialect created them."""

    render_error = staticmethod(render_error)
    key_headers = ("x-api-key",)
    lenient = frozenset({"GET", "HEAD"})  # the contract ignores unknown parameters of these methods

    def find(self, text: str) -> Batch:
        """The project's batch with this id. Raises NotFound, also for a batch of another endpoint than messages."""
        batch = find_batch(self.key, text)
        if batch.endpoint != inbound.ENDPOINT:
            raise NotFound(f"Batch {text} is one of {batch.endpoint}, not of messages: read it at /v1/batches/{batch}.")
        return batch

    def rendered(self, batches: list[Batch], *, now: datetime) -> list[dict[str, Any]]:
        """The documents for batches, with addresses under the host and the base URL of this request."""
        base = self.request.path.partition(PATH)[0]
        return outbound.message_batches(batches, url=self.request.build_absolute_uri(base + PATH), now=now)

    def answer(self, batch: Batch) -> Response:
        """The answer that shows one batch."""
        return Response(self.rendered([batch], now=timezone.now())[0])


class Batches(AnthropicView):
    """/v1/messages/batches"""

    reads: ClassVar = {"GET": ("limit", "after_id", "before_id"), "POST": ("provider",)}

    def max_body_bytes(self) -> int:
        return settings.MAX_INLINE_BYTES

    def get(self, request: Request) -> Response:
        query = request.query_params
        limit = query_number(query, "limit", minimum=1, maximum=1000, default=20)
        after, before = query.get("after_id"), query.get("before_id")
        if after is not None and before is not None:
            raise InvalidValue("after_id and before_id: give one of them, not both.", param="before_id")
        known = Batch.objects.filter(project=self.project, endpoint=inbound.ENDPOINT)
        visible = Batch.objects.visible(project=self.project).filter(endpoint=inbound.ENDPOINT)
        page = page_beside(visible, known, after=after, before=before, limit=limit, names=("after_id", "before_id"))
        note_use(page.rows, key=self.key, now=timezone.now())
        return Response(outbound.listed(self.rendered(page.rows, now=timezone.now()), has_more=page.has_more))

    def check_head(self, head: dict[str, Any], provider_name: str | None) -> None:
        """Refuse a call that cannot become a batch, before its requests are read. All checks are repeated afterwards."""
        inbound.read_head(head)
        self.require_room_for_batch(endpoint=inbound.ENDPOINT, provider=provider_name)

    def post(self, request: Request) -> Response:
        provider = named_provider(request)
        extras = asked_extras(request.headers)
        body = inbound.create_body(request._request, at_array=lambda head: self.check_head(head, provider))
        with spooled(body.lines(inbound.read_item)) as content:
            asked = inbound.read_rest(body)
            with self.reserved(body=body.digest, path=PATH, provider=provider, extras=extras) as reservation:
                submission = Submission(
                    project=self.project,
                    dialect=Dialect.ANTHROPIC,
                    endpoint=inbound.ENDPOINT,
                    completion_window="24h",
                    window=WINDOW,
                    provider_name=provider,
                    extras=extras,
                    requests=body.count,
                    callback_url=asked["callback_url"] or "",
                )
                batch = reservation.batch or submit_gathered(
                    submission, content, actor=self.actor, now=timezone.now(), key=self.key, reservation=reservation
                )
        return self.answer(batch)


class OneBatch(AnthropicView):
    """/v1/messages/batches/{batch_id}"""

    def get(self, _request: Request, batch_id: str) -> Response:
        return self.answer(self.find(batch_id))

    def delete(self, _request: Request, batch_id: str) -> Response:
        batch = self.find(batch_id)
        delete(batch, actor=self.actor, now=timezone.now())
        return Response(outbound.deleted(batch))


class CancelBatch(AnthropicView):
    """/v1/messages/batches/{batch_id}/cancel"""

    def post(self, _request: Request, batch_id: str) -> Response:
        batch = self.find(batch_id)
        with suppress(NotCancellable):  # the contract answers a cancellation that comes too late with the batch as it is
            cancel(batch, actor=self.actor, now=timezone.now())
        return self.answer(batch)


class BatchResults(AnthropicView):
    """/v1/messages/batches/{batch_id}/results"""

    def get(self, _request: Request, batch_id: str) -> StreamingHttpResponse:
        batch = self.find(batch_id)
        if not batch.is_terminal:
            raise NotEnded
        if archived := archived_at(batch, now=timezone.now()):
            raise Gone(f"The results of this batch are no longer kept: it was archived on {archived:%Y-%m-%d}.")
        return StreamingHttpResponse(outbound.result_lines(results(batch)), content_type="application/x-jsonl")


class AnthropicModels(AnthropicView, models.ModelsView):
    """The format of models."""

    def shown(self, model: OfferedModel) -> dict[str, Any]:
        return outbound.model_info(model)

    def listed(self, models: Sequence[OfferedModel]) -> dict[str, Any]:
        query = self.request.query_params
        limit = query_number(query, "limit", minimum=1, maximum=1000, default=20)
        asked = query.getlist("lifecycle") + query.getlist("lifecycle[]")
        if any(word not in LIFECYCLES for word in asked):
            raise InvalidValue(f"lifecycle: it must be one of {', '.join(LIFECYCLES)}.", param="lifecycle")
        found = [self.shown(model) for model in models if not asked or "active" in asked]
        page, has_more = inbound.page_of(found, after=query.get("after_id"), before=query.get("before_id"), limit=limit)
        return outbound.listed(page, has_more=has_more)


class Models(AnthropicModels, models.Models):
    """/v1/models"""


class OneModel(AnthropicModels, models.OneModel):
    """/v1/models/{model}"""
