"""Erasures: list, ask for one, try it without writing, retrieve its receipt. The value is in bodies, never in an address."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.calls.data.view import ONE_PROJECT, DataView
from batches.api.fields.data.erasures import (
    PREFIX,
    CreateErasure,
    ShownErasure,
    ShownErasureDetail,
    ShownPreview,
    subject_of,
)
from batches.api.fields.names import listed
from batches.api.openapi import bodies, documented
from batches.api.openapi.schema import page_of
from batches.http.paging import page_after
from batches.models import Erasure
from batches.rules import identifiers
from batches.rules.lines import jsonl
from batches.services.core.access import Right
from batches.services.erasure.erase import ask
from batches.services.erasure.preview import preview
from batches.services.intake.idempotency import made_once


class Erasures(DataView):
    """/erasures"""

    thing = "erasure"
    requires = dict.fromkeys(("list", "create", "retrieve"), Right.MANAGE)

    @extend_schema(
        operation_id="list_erasures",
        summary="List erasures",
        parameters=[ONE_PROJECT, *documented.PAGE],
        responses=page_of(ShownErasure, "ErasurePage"),
    )
    def list(self, request: Request) -> Response:
        """The erasures in your project, the newest first."""
        self.allow_parameters("project", "limit", "cursor")
        known, after = self.rows_of(self._erasures()), request.query_params.get("cursor")
        page = page_after(known, known, after=after, limit=self.limit(), name="cursor", column="asked_at")
        following = identifiers.render(PREFIX, page.rows[-1].pk) if page.has_more else None
        return self.page(listed(ShownErasure, page.rows), next_cursor=following)

    @sensitive_variables("fields", "subject", "digest")
    @extend_schema(
        operation_id="create_erasure",
        summary="Erase a custom_id or a metadata pair",
        parameters=documented.IDEMPOTENCY_KEY,
        request=CreateErasure,
        responses={201: documented.ERASING, 200: documented.ERASURE_TRIED},
        examples=bodies.ERASURE,
    )
    def create(self, _request: Request) -> Response:
        """Erase a `custom_id`, or the requests of the batches with a pair of metadata, from everything that your project keeps.

        A worker carries it out; retrieve the erasure to see its receipt. What was erased does not come back. The erasure is
        refused (409, `not_erasable`) while a batch that has the value runs, one of its jobs is open at a provider, or something
        of it is under legal hold; the message says which.

        With `dry_run` nothing is written. The answer says what would be touched, and what stands in the way.

        With an `Idempotency-Key`, the same call within 24 hours answers with the erasure of the first call.
        """
        self.allow_parameters()
        fields = self.fields(CreateErasure)
        project = self.project_called(fields["project"])
        subject = subject_of(fields)
        if fields["dry_run"]:
            return Response(ShownPreview(preview(project, subject)).data)
        # The digest is kept for a day, longer than the value itself. Its key keeps the value from being guessed by trying.
        digest = salted_hmac("erasure", jsonl.dump(sorted(fields.items())), algorithm="sha256").hexdigest()
        about: dict[str, Any] = {"reason": fields.get("reason", ""), "actor": self.actor, "now": timezone.now()}
        with self.repeatable(body=digest) as reservation:
            erasure = made_once(reservation, self._erasures(), lambda: ask(project, subject, **about))
        return Response(ShownErasureDetail(erasure).data, status=201)

    @extend_schema(operation_id="retrieve_erasure", summary="Retrieve an erasure", responses=ShownErasureDetail)
    def retrieve(self, _request: Request, erasure_id: str) -> Response:
        """One erasure with its receipt, which stays. It has a salted digest in the place of the value."""
        self.allow_parameters()
        found = self.find(self._erasures(), erasure_id, kind="erasure", param="erasure_id")
        return Response(ShownErasureDetail(found).data)

    def _erasures(self) -> "QuerySet[Erasure]":
        return Erasure.objects.select_related("project")
