"""The bounds of a project: its quotas, and the emergency stops in force, for programs that would rather wait than be refused."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.fields.names import listed
from batches.api.fields.spending import ShownQuotas
from batches.api.openapi.schema import page_of
from batches.api.view import NativeView
from batches.http.errors import InvalidValue, MissingParameter
from batches.models import ApiKey, EmergencyStop, Project, Stopped
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


@extend_schema_serializer(component_name="EmergencyStop")
class ShownStop(serializers.Serializer[EmergencyStop]):
    """A stop in force. A stop that names neither a provider nor a project holds for the whole portal."""

    what = serializers.ChoiceField(
        choices=Stopped.values,
        help_text="`sending`: batches wait. `intake`: create calls, uploads and retries are answered with 503.",
    )
    provider = serializers.CharField(source="provider.name", default=None, allow_null=True)
    project = serializers.CharField(source="project.slug", default=None, allow_null=True)
    reason = serializers.CharField(help_text="The reason, for people.")
    began_at = serializers.DateTimeField()


class Stops(NativeView):
    """/stops"""

    tag = "Emergency stops"
    thing = "stops"
    requires = {"list": Right.READ}  # noqa: RUF012 - read only

    @extend_schema(operation_id="list_stops", summary="List emergency stops", responses=page_of(ShownStop, "EmergencyStopPage"))
    def list(self, _request: Request) -> Response:
        """The stops of sending or intake that concern your project. Sending or intake goes on when an operator ends the stop."""
        self.allow_parameters()
        return self.page(listed(ShownStop, self.caller.stops()), next_cursor=None)
