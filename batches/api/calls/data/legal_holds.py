"""Legal holds: list, place, retrieve, release."""

import hashlib

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.calls.data.view import ONE_PROJECT, DataView
from batches.api.fields.data.legal_holds import PREFIX, CreateHold, ReleaseHold, ShownHold
from batches.api.fields.names import listed
from batches.api.openapi import bodies, documented
from batches.api.openapi.schema import page_of
from batches.http.paging import page_after, query_word
from batches.models import Batch, LegalHold, Project
from batches.rules import identifiers
from batches.rules.errors import NotFound
from batches.rules.lines import jsonl
from batches.services.core.access import Right
from batches.services.intake.idempotency import made_once
from batches.services.retention.holds import place_hold, release_hold

ACTIVE = OpenApiParameter("active", str, enum=["true", "false"], description="Only those that are, or are not, active.")


class LegalHolds(DataView):
    """/legal_holds"""

    thing = "legal_hold"
    requires = dict.fromkeys(("list", "place", "retrieve", "release"), Right.MANAGE)

    @extend_schema(
        operation_id="list_legal_holds",
        summary="List legal holds",
        parameters=[ONE_PROJECT, ACTIVE, *documented.PAGE],
        responses=page_of(ShownHold, "LegalHoldPage"),
    )
    def list(self, request: Request) -> Response:
        """The holds of your project and of its batches, the newest first. Those that were released are among them."""
        self.allow_parameters("project", "active", "limit", "cursor")
        query = request.query_params
        known = self.rows_of(self._holds())
        active = query_word(query, "active", words=("true", "false"), default="")
        found = known.filter(released_at__isnull=active == "true") if active else known
        page = page_after(found, known, after=query.get("cursor"), limit=self.limit(), name="cursor", column="placed_at")
        following = identifiers.render(PREFIX, page.rows[-1].pk) if page.has_more else None
        return self.page(listed(ShownHold, page.rows), next_cursor=following)

    @extend_schema(
        operation_id="create_legal_hold",
        summary="Place a legal hold",
        parameters=documented.IDEMPOTENCY_KEY,
        request=CreateHold,
        responses={201: ShownHold},
        examples=bodies.HOLD,
    )
    def place(self, _request: Request) -> Response:
        """Let nothing of your project, or of one of its batches, be removed or erased until the hold is released.

        What has begun to be removed at this moment is removed. A second hold of the same project or batch is a conflict (409,
        `already_held`). With an `Idempotency-Key`, the same call within 24 hours answers with the hold of the first call.
        """
        self.allow_parameters()
        fields = self.fields(CreateHold)
        project = self.project_called(fields["project"])
        batch = self._batch(project, fields["batch_id"])
        digest = hashlib.sha256(jsonl.dump(sorted(fields.items())).encode()).hexdigest()
        about = {"batch": batch, "reason": fields["reason"], "actor": self.actor, "now": timezone.now()}
        with self.repeatable(body=digest) as reservation:
            hold = made_once(reservation, self._holds(), lambda: place_hold(project, **about))
        return Response(ShownHold(hold).data, status=201)

    @extend_schema(operation_id="retrieve_legal_hold", summary="Retrieve a legal hold", responses=ShownHold)
    def retrieve(self, _request: Request, hold_id: str) -> Response:
        """One legal hold, active or released."""
        return Response(ShownHold(self._find(hold_id)).data)

    @extend_schema(operation_id="release_legal_hold", summary="Release a legal hold", request=ReleaseHold, responses=ShownHold)
    def release(self, _request: Request, hold_id: str) -> Response:
        """End a hold. What it kept and is overdue is removed within minutes. A released hold stays in the list.

        A hold that was released already is a conflict (409, `already_released`).
        """
        hold = self._find(hold_id)
        reason = self.fields(ReleaseHold)["reason"]
        return Response(ShownHold(release_hold(hold, reason=reason, actor=self.actor, now=timezone.now())).data)

    def _holds(self) -> "QuerySet[LegalHold]":
        return LegalHold.objects.select_related("project")

    def _find(self, hold_id: str) -> LegalHold:
        self.allow_parameters()
        return self.find(self._holds(), hold_id, kind="legal hold", param="hold_id")

    def _batch(self, project: Project, text: str | None) -> Batch | None:
        """The batch to hold, also if its client has deleted it. Raises NotFound."""
        if text is None:
            return None
        key = identifiers.parse(text)
        batch = Batch.objects.filter(project=project, pk=key).first() if key else None
        if batch is None:
            raise NotFound(f"There is no batch with the id {text[:100]!r}.", param="batch_id")
        return batch
