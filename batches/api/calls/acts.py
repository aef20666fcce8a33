"""Acts on one batch: pause, resume, retry, reroute, prioritise."""

import hashlib
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from batches.api.fields.acts import (
    RETRIED_AS_CHILD,
    RETRIED_IN_PLACE,
    PauseBatch,
    PrioritiseBatch,
    RerouteBatch,
    ResumeBatch,
    RetryBatch,
    selection_of,
)
from batches.api.fields.batch import ShownBatchDetail, batch_object
from batches.api.openapi import bodies, documented
from batches.api.view import NativeView
from batches.models import Batch
from batches.rules.lines import jsonl
from batches.services.control.pause import pause, resume
from batches.services.control.prioritise import prioritise
from batches.services.control.reroute import reroute
from batches.services.core.access import Right
from batches.services.retry.order import RetryOrder
from batches.services.retry.retry import RetryMode, retry


class Acts(NativeView):
    """/batches/{batch_id}/{verb}"""

    tag = "Batches"
    thing = "batch"
    requires = dict.fromkeys(("pause", "resume", "retry", "reroute", "prioritise"), Right.ACT)

    @extend_schema(operation_id="pause_batch", summary="Pause a batch", request=PauseBatch, responses=ShownBatchDetail)
    def pause(self, _request: Request, batch_id: str) -> Response:
        """Send nothing more of a batch until it is resumed. Requests in flight may still settle.

        The deadline does not change, and may pass while the batch is paused. A batch that is being validated starts paused.
        Pausing it again changes nothing. A batch that has ended, or is being finalized or cancelled, cannot be paused (409).
        """
        batch, fields = self._asked(batch_id, PauseBatch)
        return self._answer(pause(batch, actor=self.actor, now=timezone.now(), reason=fields["reason"]))

    @extend_schema(operation_id="resume_batch", summary="Resume a batch", request=ResumeBatch, responses=ShownBatchDetail)
    def resume(self, _request: Request, batch_id: str) -> Response:
        """Let a paused batch go on, whoever paused it. A batch that is not paused stays as it is.

        If a guard paused the batch for its error rate, failures until now no longer count. A batch that has reached its guard of
        cost or tokens can only be resumed once that guard is raised (409).
        """
        batch, fields = self._asked(batch_id, ResumeBatch)
        return self._answer(resume(batch, actor=self.actor, now=timezone.now(), reason=fields["reason"]))

    @extend_schema(
        operation_id="retry_batch",
        summary="Retry what failed",
        parameters=documented.IDEMPOTENCY_KEY,
        request=RetryBatch,
        responses={200: RETRIED_IN_PLACE, 201: RETRIED_AS_CHILD},
        examples=bodies.RETRY,
    )
    def retry(self, _request: Request, batch_id: str) -> Response:
        """Send the objects again that did not succeed. An object that succeeded is never sent again.

        A batch that runs is retried in place: its failed objects become pending in a new round, and the earlier rounds stay in
        their history. A batch that has ended is retried as a child batch: a new batch over the same lines of the input, those
        that were never sent included. Its `parent_id` names the ended batch, and its window is the same, from now on.
        `/lineage/results` reads the results of all these batches as one.

        Objects that succeeded in another batch of the lineage, or are in one that has not ended, are skipped, so that nothing is
        paid for twice by accident. If no object is left to retry, the answer is 409. If the input is no longer kept, it is 404
        with the code `content_gone`. A batch that is being validated, finalized or cancelled cannot be retried (409).

        With an `Idempotency-Key`, the same call within 24 hours changes nothing more.
        """
        batch, fields = self._asked(batch_id, RetryBatch)
        digest = hashlib.sha256(jsonl.dump(sorted(fields.items())).encode()).hexdigest()
        with self.repeatable(body=digest, path=f"/api/v1/batches/{batch}/retry") as reservation:
            if reservation is not None and reservation.batch is not None:
                found = reservation.batch
                return self._retried(RetryMode.IN_PLACE if found == batch else RetryMode.CHILD, found, retried=None, skipped=None)
            done = retry(
                batch,
                selection=selection_of(fields),
                actor=self.actor,
                now=timezone.now(),
                order=RetryOrder(
                    reason=fields["reason"],
                    provider_name=fields.get("provider"),
                    key=self.api_key,
                    reservation=reservation,
                ),
            )
        return self._retried(done.mode, done.batch, retried=done.retried, skipped=done.skipped)

    @extend_schema(operation_id="reroute_batch", summary="Reroute a batch", request=RerouteBatch, responses=ShownBatchDetail)
    def reroute(self, _request: Request, batch_id: str) -> Response:
        """Send the remaining requests to another provider, which the project may use and which serves the endpoint.

        Requests in flight may still finish at the old provider. A call that the old provider carried out without answering is
        sent to the new provider as well, and is then paid for at both. To avoid this, pause the batch first, and wait until the
        requests in flight have settled.
        """
        batch, fields = self._asked(batch_id, RerouteBatch)
        now = timezone.now()
        return self._answer(reroute(batch, provider_name=fields["provider"], actor=self.actor, now=now, reason=fields["reason"]))

    @extend_schema(
        operation_id="prioritise_batch", summary="Change a batch's priority", request=PrioritiseBatch, responses=ShownBatchDetail
    )
    def prioritise(self, _request: Request, batch_id: str) -> Response:
        """Change the priority of a batch. In its project, batches with a higher priority go first."""
        batch, fields = self._asked(batch_id, PrioritiseBatch)
        now = timezone.now()
        return self._answer(prioritise(batch, priority=fields["priority"], actor=self.actor, now=now, reason=fields["reason"]))

    def _asked(self, batch_id: str, serializer: type[Serializer[Any]]) -> tuple[Batch, dict[str, Any]]:
        self.allow_parameters()
        return self.find_batch(batch_id), self.fields(serializer)

    def _answer(self, batch: Batch) -> Response:
        return Response(batch_object(batch, self.request._request))

    def _retried(self, mode: RetryMode, batch: Batch, *, retried: int | None, skipped: int | None) -> Response:
        shown = batch_object(batch, self.request._request)
        headers = {"Location": shown["links"]["self"]} if mode is RetryMode.CHILD else None
        answer = {"mode": mode.value, "retried": retried, "skipped": skipped, "batch": shown}
        return Response(answer, status=201 if mode is RetryMode.CHILD else 200, headers=headers)
