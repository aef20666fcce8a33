"""Providers that a project may use, their state, and the acts of an administrator of the portal on a hold."""

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
    """An empty object; the body may be left out."""


@extend_schema_serializer(component_name="ResumeProvider")
class ResumeProvider(Reasoned):
    """The body may be left out."""


@extend_schema_serializer(component_name="ProviderCheck")
class ShownCheck(serializers.Serializer[Check]):
    """The result of a connection check."""

    ok = serializers.BooleanField(help_text="Whether the check found that the provider can be used.")
    message = serializers.CharField(help_text="The result, for people.")


class Providers(NativeView):
    """/providers"""

    tag = "Providers"
    thing = "provider"
    requires = dict.fromkeys(("list", "retrieve", "check", "resume"), Right.READ)

    @extend_schema(operation_id="list_providers", summary="List providers", responses=page_of(ShownProvider, "ProviderPage"))
    def list(self, _request: Request) -> Response:
        """The providers that your project may use, by name, with their limits, guards, prices and hold."""
        self.allow_parameters()
        providers = self.caller.providers()
        prefetch_related_objects(providers, "models", "health")
        return self.page(self._shown(providers), next_cursor=None)

    @extend_schema(operation_id="retrieve_provider", summary="Retrieve a provider", responses=ShownProvider)
    def retrieve(self, _request: Request, name: str) -> Response:
        """One provider that your project may use."""
        self.allow_parameters()
        return Response(self._shown([self._find(name)])[0])

    @extend_schema(operation_id="check_provider", summary="Check a provider", request=CheckProvider, responses=ShownCheck)
    def check(self, _request: Request, name: str) -> Response:
        """Try the connection of a provider, for 10 seconds at most. After a success, one that is held or down is probed at once.

        Only a signed-in administrator of the portal may do this (else 403), since a provider serves several projects.
        """
        provider, _ = self._asked(name, CheckProvider)
        found = check_provider(provider, actor=self.actor, now=timezone.now())
        return Response(ShownCheck(found).data)

    @extend_schema(operation_id="resume_provider", summary="Resume a provider", request=ResumeProvider, responses=ShownProvider)
    def resume(self, _request: Request, name: str) -> Response:
        """End the hold of a provider, and the wait of its breaker, now. If the next request fails as before, it waits again.

        A provider that waits for nothing stays as it is. Only a signed-in administrator of the portal may do this (else 403).
        """
        provider, fields = self._asked(name, ResumeProvider)
        resume_provider(provider, actor=self.actor, now=timezone.now(), reason=fields["reason"])
        return Response(self._shown([provider])[0])

    def _shown(self, providers: Sequence[Provider]) -> Sequence[dict[str, Any]]:
        """Providers as they are shown, with as many queries for many as for one.

        `names` are those that the caller may read, for standbys: a project does not learn of providers that it may not use.
        """
        names = {provider.pk: provider.name for provider in self.caller.providers()}
        return listed(ShownProvider, providers, names=names, states=states_of_providers(providers, now=timezone.now()))

    def _asked(self, name: str, serializer: type[serializers.Serializer[Any]]) -> tuple[Provider, dict[str, Any]]:
        """The provider of an act, and the fields of its body. Raises NotFound and NotPermitted."""
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
