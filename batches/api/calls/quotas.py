"""Quotas of a project: the limits, and the present use."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.fields.spending import ShownQuotas
from batches.api.view import NativeView
from batches.http.errors import InvalidValue, MissingParameter
from batches.models import ApiKey, Project
from batches.services.core.access import Right

PROJECT = OpenApiParameter("project", {"type": "string", "maxLength": 64}, description="Only needed without an API key.")


class Quotas(NativeView):
    """/quotas"""

    tag = "Quotas"
    thing = "quotas"
    requires = {"retrieve": Right.READ}  # noqa: RUF012 - read only

    @extend_schema(operation_id="retrieve_quotas", summary="Retrieve quotas", parameters=[PROJECT], responses=ShownQuotas)
    def retrieve(self, request: Request) -> Response:
        """The quotas of your project: open batches, pending objects and stored bytes, with their limits."""
        self.allow_parameters("project")
        return Response(ShownQuotas(self._project(request.query_params.get("project"))).data)

    def _project(self, slug: str | None) -> Project:
        key = self.request.auth
        if slug is None:
            if not isinstance(key, ApiKey):
                raise MissingParameter("Missing required parameter: 'project'. Only an API key stands for one.", param="project")
            return key.project
        project = Project.objects.called(slug)
        seen = self.caller.filter_within
        if project is None or (seen is not None and not seen.filter(pk=project.pk).exists()):
            raise InvalidValue(f"Invalid value for 'project': there is no project {slug[:100]!r}.", param="project")
        return project
