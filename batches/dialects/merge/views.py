"""The views of the Merge dialect. Each view parses a call, calls one service, and renders the answer."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from batches.dialects.merge import inbound, outbound
from batches.dialects.merge.errors import render_error
from batches.dialects.shared.inline import InlineBody
from batches.dialects.shared.reading import find_batch
from batches.http.errors import InvalidValue
from batches.http.views import DialectView
from batches.models import Batch, Dialect
from batches.rules.errors import NotAuthenticated, NotFound, TooLarge
from batches.services.intake.inline import spooled, submit_gathered
from batches.services.intake.submission import Submission
from batches.services.people.accounts import linked_account


class MergeView(DialectView):
    """A view of this dialect. A header names the linked account of the call."""

    render_error = staticmethod(render_error)

    def max_body_bytes(self) -> int:
        return settings.MAX_BULK_BYTES

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        token = request.headers.get("X-Account-Token", "").strip()
        if not token:
            raise NotAuthenticated("You did not name a linked account. Send its token in the header X-Account-Token.")
        self.account = linked_account(self.project, token)

    def handle_exception(self, exc: Exception) -> Response:
        """Answer TooLarge like any other mistake in the content."""
        if isinstance(exc, TooLarge):
            exc = InvalidValue(exc.message, param=inbound.ARRAY)
        return super().handle_exception(exc)


class Bulk(MergeView):
    """/{model}/bulk"""

    def check_head(self, head: dict[str, Any], endpoint: str) -> None:
        """Refuse a call that cannot become a batch, before its items are read. All checks are repeated afterwards."""
        inbound.read_head(head)
        self.require_room_for_batch(endpoint=endpoint, provider=self.account.name)

    def post(self, request: Request, model: str) -> Response:
        endpoint = inbound.ENDPOINTS[model]
        body = InlineBody(
            request._request,
            array=inbound.ARRAY,
            max_bytes=settings.MAX_BULK_BYTES,
            max_items=settings.MAX_BULK_ITEMS,
            max_item_bytes=settings.MAX_LINE_BYTES,
            at_array=lambda head: self.check_head(head, endpoint),
        )
        with spooled(body.lines(inbound.item_reader(endpoint))) as content:
            asked = inbound.read_rest(body)
            with self.reserved(body=body.digest, path=endpoint, provider=self.account.name) as reservation:
                submission = Submission(
                    project=self.project,
                    dialect=Dialect.MERGE,
                    endpoint=endpoint,
                    completion_window="24h",
                    window=inbound.WINDOW,
                    provider_name=self.account.name,
                    requests=body.count,
                    callback_url=asked["callback_url"] or "",
                )
                batch = reservation.batch or submit_gathered(
                    submission, content, actor=self.actor, now=timezone.now(), key=self.key, reservation=reservation
                )
        return Response(outbound.accepted(batch), status=202)


class OneBulk(MergeView):
    """/{model}/bulk/{batch_id}"""

    def get(self, _request: Request, model: str, batch_id: str) -> Response:
        batch = self.find(batch_id, endpoint=inbound.ENDPOINTS[model])
        return Response(outbound.bulk_object(batch, id_path=self.account.id_path, now=timezone.now()))

    def find(self, text: str, *, endpoint: str) -> Batch:
        """The account's batch for this endpoint. Raises NotFound; for a batch of another endpoint it names the right address."""
        batch = find_batch(self.key, text)
        if batch.endpoint != endpoint:
            ours = batch.endpoint in inbound.ENDPOINTS.values()
            face = f"/api{batch.endpoint}/bulk/{batch.pk}" if ours else f"/v1/batches/{batch}"
            raise NotFound(f"Batch {batch.pk} is one of {batch.endpoint}. Read it at {face}.")
        if batch.provider_id != self.account.pk:
            raise NotFound(f"Batch {batch.pk} belongs to another linked account: send the X-Account-Token of that one.")
        return batch
