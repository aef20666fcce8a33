"""Providers: which there are to choose from."""

from django.db.models import prefetch_related_objects
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.outbound import listed
from batches.api.schema import page_of
from batches.api.spending import ShownProvider
from batches.api.view import NativeView
from batches.errors import NotFound
from batches.services.access import Right


class Providers(NativeView):
    """/providers"""

    tag = "Providers"
    thing = "provider"
    requires = {"list": Right.READ, "retrieve": Right.READ}  # noqa: RUF012 - read only

    @extend_schema(operation_id="list_providers", summary="List providers", responses=page_of(ShownProvider, "ProviderPage"))
    def list(self, _request: Request) -> Response:
        """Everything that your project may name as `provider` of a batch, by name, with limits, guards and prices."""
        self.allow_parameters()
        providers = self.caller.providers()
        prefetch_related_objects(providers, "models")
        return self.page(listed(ShownProvider, providers), next_cursor=None)

    @extend_schema(operation_id="retrieve_provider", summary="Retrieve a provider", responses=ShownProvider)
    def retrieve(self, _request: Request, name: str) -> Response:
        """One provider that your project may name."""
        self.allow_parameters()
        for provider in self.caller.providers():
            if provider.name == name:
                return Response(ShownProvider(provider).data)
        raise NotFound(f"There is no provider {name[:100]!r}.", param="name")
