"""How long a project keeps what, and how much it has stored."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.calls.data.view import PROJECT, DataView
from batches.api.fields.data.retention import ShownDiskUse, ShownRetention, UpdateRetention, days_of
from batches.api.openapi import bodies
from batches.models import Project
from batches.rules.errors import InvalidRequest
from batches.services.core.access import Right
from batches.services.retention.disk_use import disk_use, total
from batches.services.retention.terms import Term, set_terms, terms


class Retention(DataView):
    """/retention"""

    thing = "retention"
    requires = {"retrieve": Right.MANAGE, "change": Right.MANAGE}  # noqa: RUF012 - read only

    @extend_schema(
        operation_id="retrieve_retention", summary="Retrieve retention policies", parameters=[PROJECT], responses=ShownRetention
    )
    def retrieve(self, _request: Request) -> Response:
        """How long your project keeps each kind of things: by its own policy, or as the portal does."""
        project = self._named()
        return self._answer(project, terms(project))

    @extend_schema(
        operation_id="update_retention",
        summary="Change retention policies",
        parameters=[PROJECT],
        request=UpdateRetention,
        responses=ShownRetention,
        examples=bodies.RETENTION,
    )
    def change(self, _request: Request) -> Response:
        """Give your project policies of its own, or take them back. What is overdue then is removed within minutes.

        Days out of the bounds of the portal are refused with the code `retention_out_of_bounds`, and nothing is changed.
        """
        project = self._named()
        fields = self.fields(UpdateRetention)
        if not fields:
            raise InvalidRequest("Name at least one kind, with its days or null.")
        return self._answer(project, set_terms(project, days=days_of(fields), actor=self.actor, now=timezone.now()))

    def _named(self) -> Project:
        self.allow_parameters("project")
        return self.project_called(self.request.query_params.get("project"))

    def _answer(self, project: Project, found: list[Term]) -> Response:
        return Response(ShownRetention({"project": project.slug, "terms": found}).data)


class DiskUse(DataView):
    """/disk_use"""

    thing = "disk_use"
    requires = {"retrieve": Right.MANAGE}  # noqa: RUF012 - read only

    @extend_schema(
        operation_id="retrieve_disk_use", summary="Retrieve stored bytes", parameters=[PROJECT], responses=ShownDiskUse
    )
    def retrieve(self, _request: Request) -> Response:
        """How many bytes your project has in the file storage, by what they are."""
        self.allow_parameters("project")
        project = self.project_called(self.request.query_params.get("project"))
        uses = disk_use(project, now=timezone.now())
        return Response(ShownDiskUse({"project": project.slug, "bytes": total(uses), "kinds": uses}).data)
