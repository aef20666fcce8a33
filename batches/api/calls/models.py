"""Models that a project may name."""

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.fields.names import NamedProvider, listed
from batches.api.openapi.schema import page_of
from batches.api.view import NativeView
from batches.services.core.access import Right
from batches.services.policy.catalogue import OfferedModel, find_model, models_of

PROJECT = OpenApiParameter("project", str, description="The slug of a project; only needed without an API key.")


@extend_schema_serializer(component_name="OfferedModel")
class ShownModel(serializers.Serializer[OfferedModel]):
    """A model that a project may name, and the provider that owns it."""

    id = serializers.CharField(help_text="The name; or `provider/name` if the plain name means a model of another provider.")
    name = serializers.CharField(help_text="The name at its provider.")
    provider = NamedProvider()
    endpoints = serializers.SerializerMethodField(help_text="The endpoints that its provider serves.")

    def get_endpoints(self, model: OfferedModel) -> list[str]:
        return sorted(model.provider.endpoints)


class Models(NativeView):
    """/models"""

    tag = "Providers"
    thing = "model"
    requires = {"list": Right.READ, "retrieve": Right.READ}  # noqa: RUF012 - read only

    @extend_schema(
        operation_id="list_models", summary="List models", parameters=[PROJECT], responses=page_of(ShownModel, "ModelPage")
    )
    def list(self, request: Request) -> Response:
        """The models that your project may name.

        These are the models with limits or prices at a provider, the names that a provider's options map, and the models that
        your latest batches named. A provider may serve more models; it is not asked.
        """
        return self.page(listed(ShownModel, self._models(request)), next_cursor=None)

    @extend_schema(operation_id="retrieve_model", summary="Retrieve a model", parameters=[PROJECT], responses=ShownModel)
    def retrieve(self, request: Request, name: str) -> Response:
        """One model that your project may name, by its id or as `provider/name`."""
        shown: dict[str, Any] = ShownModel(find_model(self._models(request), name)).data
        return Response(shown)

    def _models(self, request: Request) -> Sequence[OfferedModel]:
        self.allow_parameters("project")
        return models_of(self.caller.readable_project(request.query_params.get("project")))
