"""Providers: which there are to choose from, how they stand, and what an administrator of the portal does about a hold."""

from collections.abc import Sequence
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from batches.api.fields.acts import Reasoned
from batches.api.fields.names import listed
from batches.api.fields.spending import ShownProvider
from batches.api.openapi.schema import page_of
from batches.api.view import NativeView
from batches.http.fields import Fields
from batches.rules.errors import NotFound
from batches.services.core.access import Right
from batches.services.standing.look import states_of_providers
from batches.services.upstreams.providers import check_provider, resume_provider
from providers.base import Check
from providers.models import Provider


@extend_schema_serializer(component_name="CheckProvider")
class CheckProvider(Fields):
    """Nothing can be set."""


@extend_schema_serializer(component_name="ResumeProvider")
class ResumeProvider(Reasoned):
    """May be left out."""


@extend_schema_serializer(component_name="ProviderCheck")
class ShownCheck(serializers.Serializer[Check]):
    """What came of trying the connection."""

    ok = serializers.BooleanField(help_text="Whether the provider can be used, as far as its check tells.")
    message = serializers.CharField(help_text="For people.")


class Providers(NativeView):
    """/providers"""

    tag = "Providers"
    thing = "provider"
    requires = dict.fromkeys(("list", "retrieve", "check", "resume"), Right.READ)

    @extend_schema(operation_id="list_providers", summary="List providers", responses=page_of(ShownProvider, "ProviderPage"))
    def list(self, _request: Request) -> Response:
        """Everything that your project may name as `provider` of a batch, by name, with limits, guards, prices and hold."""
        self.allow_parameters()
        providers = self.caller.providers()
        prefetch_related_objects(providers, "models", "health")
        return self.page(_shown(providers), next_cursor=None)

    @extend_schema(operation_id="retrieve_provider", summary="Retrieve a provider", responses=ShownProvider)
    def retrieve(self, _request: Request, name: str) -> Response:
        """One provider that your project may name."""
        self.allow_parameters()
        return Response(_shown([self._find(name)])[0])

    @extend_schema(operation_id="check_provider", summary="Check a provider", request=CheckProvider, responses=ShownCheck)
    def check(self, _request: Request, name: str) -> Response:
        """Try a provider's connection, for 10 seconds at most. When it works, a provider that is held or down is tried at once.

        Only for a signed-in administrator of the portal (403): a provider is not one project's.
        """
        provider, _ = self._asked(name, CheckProvider)
        found = check_provider(provider, actor=self.actor, now=timezone.now())
        return Response(ShownCheck(found).data)

    @extend_schema(operation_id="resume_provider", summary="Resume a provider", request=ResumeProvider, responses=ShownProvider)
    def resume(self, _request: Request, name: str) -> Response:
        """End the hold of a provider, and the wait of its breaker, now. When the next request fails as before, it waits again.

        One that waits for nothing stays as it is. Only for a signed-in administrator of the portal (403).
        """
        provider, fields = self._asked(name, ResumeProvider)
        resume_provider(provider, actor=self.actor, now=timezone.now(), reason=fields["reason"])
        return Response(_shown([provider])[0])

    def _asked(self, name: str, serializer: type[serializers.Serializer[Any]]) -> tuple[Provider, dict[str, Any]]:
        """The provider that an act is about, and what its body says. Raises NotFound and NotPermitted."""
        self.allow_parameters()
        provider = self._find(name)
        self.caller.require_portal(act=self.act, target=provider)
        return provider, self.fields(serializer)

    def _find(self, name: str) -> Provider:
        for provider in self.caller.providers():
            if provider.name == name:
                return provider
        raise NotFound(f"There is no provider {name[:100]!r}.", param="name")


def _shown(providers: Sequence[Provider]) -> list[dict[str, Any]]:
    """Providers as they are shown, with as many queries for many as for one."""
    return listed(ShownProvider, providers, states=states_of_providers(providers, now=timezone.now()))
