"""Batches: list, create, retrieve, cancel."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.calls.creation import CreateCall, call_of_body, call_of_head, dry_run_findings, good_lines
from batches.api.fields.batch import ShownBatch, ShownBatchDetail, batch_object, batch_objects
from batches.api.fields.creation import CancelBatch, ShownDryRun, create_body, one_a_line
from batches.api.fields.spending import UpdateBatch
from batches.api.openapi import bodies, documented
from batches.api.openapi.schema import page_of, parameters_of
from batches.api.view import NativeView, require_understood
from batches.dialects.shared.inline import InlineBody
from batches.filters import BatchFilter
from batches.http.fields import valid
from batches.http.paging import page_after
from batches.models import Batch, IdempotencyRecord
from batches.services.control.cancel import cancel
from batches.services.core.access import Right
from batches.services.intake.inline import spooled, submit_gathered
from batches.services.intake.submit import submit
from batches.services.policy.emergency_stop import require_intake
from batches.services.policy.guards import set_guards
from batches.services.policy.quota import require_room_now


class BatchQuery(BatchFilter):
    """The filters of the console, and the parameters of pages."""

    others = frozenset({"limit", "cursor"})


class Batches(NativeView):
    """/batches"""

    tag = "Batches"
    thing = "batch"
    requires = {  # noqa: RUF012 - read only
        "list": Right.READ,
        "retrieve": Right.READ,
        "create": Right.ACT,
        "update": Right.ACT,
        "cancel": Right.ACT,
    }

    def max_body_bytes(self) -> int:
        return settings.MAX_INLINE_BYTES if self.action == "create" else settings.MAX_JSON_BYTES

    @extend_schema(
        operation_id="list_batches",
        summary="List batches",
        parameters=[*parameters_of(BatchQuery), *documented.PAGE],
        responses=page_of(ShownBatch, "BatchPage"),
    )
    def list(self, request: Request) -> Response:
        """The batches of your project, whatever dialect they came through, the newest first.

        Several filters find the batches that fit all of them. `status` may be given several times; a batch has to have one of
        the given statuses. A pair of metadata is found with `metadata.KEY=VALUE`, such as `metadata.team=search`.
        """
        caller = self.caller
        everything = caller.batches().select_related("project", "provider", "created_by_key")
        chosen = BatchQuery(request.query_params, queryset=everything, now=timezone.now(), within=caller.filter_within)
        require_understood(chosen, request.query_params)
        cursor = request.query_params.get("cursor")
        page = page_after(chosen.matching, caller.known_batches(), after=cursor, limit=self.limit(), name="cursor")
        caller.note_use(page.rows)
        following = page.rows[-1] if page.has_more else None
        return self.page(batch_objects(page.rows, request._request), next_cursor=following)

    @extend_schema(
        operation_id="create_batch",
        summary="Create a batch",
        parameters=documented.IDEMPOTENCY_KEY,
        request=documented.CreateBatch,
        responses={201: documented.CREATED, 200: documented.REHEARSED},
        examples=bodies.CREATE,
    )
    def create(self, request: Request) -> Response:
        """Start a batch over a file that you uploaded, or over requests that come with this call.

        An uploaded file is checked after the call: the batch is `validating` until then, and `failed` if lines are invalid.
        Requests that come with the call are checked at once, and the call is refused with the first invalid one.

        With `dry_run` nothing is created. The answer lists the problems of the call and of its requests, and names the provider.

        With an `Idempotency-Key`, the same call within 24 hours answers with the batch of the first call.
        """
        self.allow_parameters()
        now = timezone.now()
        body = create_body(request._request, at_array=lambda head: self._check_head(head, now=now))
        with spooled(one_a_line(body)) as items:
            call = call_of_body(body, headers=request.headers, caller=self.caller, now=now)
            if call.fields.get("dry_run"):
                return Response(self._dry_run(call, items, now=now))
            if call.errors:
                raise call.errors[0]
            with self.repeatable(body=body.digest, extras=call.extras) as reservation:
                batch = (reservation and reservation.batch) or self._submit(call, items, body, reservation, now=now)
        return self._answer(batch, status=201)

    @extend_schema(operation_id="retrieve_batch", summary="Retrieve a batch", responses=ShownBatchDetail)
    def retrieve(self, _request: Request, batch_id: str) -> Response:
        """The present state of a batch, and the addresses of its contents and of its other views."""
        self.allow_parameters()
        return self._answer(self.find_batch(batch_id))

    @extend_schema(
        operation_id="update_batch", summary="Change a batch's guards", request=UpdateBatch, responses=ShownBatchDetail
    )
    def update(self, _request: Request, batch_id: str) -> Response:
        """Change guards of a batch that has not ended. Guards that you do not name stay as they are.

        A batch that a guard has paused stays paused until it is resumed. An ended batch cannot be changed (409).
        """
        self.allow_parameters()
        batch = self.find_batch(batch_id)
        guards = self.fields(UpdateBatch)["guards"]
        return self._answer(set_guards(batch, guards=guards, actor=self.actor, now=timezone.now()))

    @extend_schema(
        operation_id="cancel_batch", summary="Cancel a batch", request=documented.CancelBatch, responses=ShownBatchDetail
    )
    def cancel(self, request: Request, batch_id: str) -> Response:
        """Stop a batch. Requests in flight may still settle, and all results are kept.

        The batch is `cancelling` until its files are written, then `cancelled`. Cancelling it again changes nothing. A batch
        that has ended, or whose files are being written, cannot be cancelled (409).
        """
        self.allow_parameters()
        batch = self.find_batch(batch_id)
        note = valid(CancelBatch, request.data)["note"]
        return self._answer(cancel(batch, actor=self.actor, now=timezone.now(), note=note))

    def _check_head(self, head: dict[str, Any], *, now: datetime) -> None:
        """Refuse a call that cannot become a batch before its requests are read, unless it is, or may be, a dry run."""
        if head.get("dry_run") is not False:
            return
        call = call_of_head(head, caller=self.caller, now=now)
        if call.errors:
            raise call.errors[0]
        if call.project is not None and not self.may_repeat:
            require_intake(call.project, provider=call.provider)
            require_room_now(call.project, open_batches=1, stored_bytes=self.announced_bytes)

    def _answer(self, batch: Batch, *, status: int = 200) -> Response:
        shown = batch_object(batch, self.request._request)
        return Response(shown, status=status, headers={"Location": shown["links"]["self"]} if status == 201 else None)

    def _dry_run(self, call: CreateCall, items: "UploadedFile[Any]", *, now: datetime) -> dict[str, Any]:
        found = dry_run_findings(call, items)
        window = call.fields.get("completion_window")
        shown = {
            "valid": not found.count or (call.skips and found.may_skip),
            "requests": found.requests,
            "provider": call.provider,
            "expires_at": now + window.length if window else None,
            "estimate": found.estimate,
            "problem_count": found.count,
            "problems": [
                {"code": problem.code, "message": problem.message, "param": problem.param or None, "line": problem.line}
                for problem in found.problems
            ],
        }
        return dict(ShownDryRun(shown).data)

    def _submit(
        self,
        call: CreateCall,
        items: "UploadedFile[Any]",
        body: InlineBody,
        reservation: IdempotencyRecord | None,
        *,
        now: datetime,
    ) -> Batch:
        key = self.api_key
        if call.file is not None:
            return submit(call.submission(), input_file=call.file, actor=self.actor, now=now, key=key, reservation=reservation)
        assert call.rules is not None
        submission = call.submission(requests=body.count)
        with spooled(good_lines(items, rules=call.rules, skips=call.skips)) as content:
            return submit_gathered(submission, content, actor=self.actor, now=now, key=key, reservation=reservation)
