"""Provider: one configured upstream."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from providers import registry
from providers.base import Connection, CredentialUnavailable, Usage
from providers.guards import Guarded
from providers.secrets import sources
from providers.secrets.references import referred, resolved
from providers.secrets.secrecy import KeepsSecrets, validate_credential
from providers.secrets.sources import Missing
from providers.transport.way import ENVIRONMENT, WayOptions, way_to

__all__ = ["CredentialUnavailable", "Provider", "ProviderModel", "validate_credential"]


class ProviderQuerySet(models.QuerySet["Provider"]):
    def enabled(self) -> "ProviderQuerySet":
        """What batches may be sent to."""
        return self.filter(enabled=True).exclude(adapter__in=registry.switched_off())


class Provider(KeepsSecrets, Guarded):
    """An upstream: which adapter speaks to it, where it is, with what credential and within what limits."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(unique=True, max_length=64)
    adapter = models.CharField(max_length=32)
    base_url = models.CharField(max_length=500, blank=True)
    options = models.JSONField(default=dict, blank=True)
    max_concurrency = models.PositiveIntegerField(
        default=256, validators=[MinValueValidator(1)], help_text="Requests in flight over all workers together."
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="In any 60 seconds, over all workers together."
    )
    tokens_per_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="In any 60 seconds, over all workers together."
    )
    enabled = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False, help_text="Used where nothing names a provider.")
    granted_to_all = models.BooleanField(default=True, help_text="Every project may use it; else only those it is granted to.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(max_concurrency__gte=1), name="provider_concurrency_positive"),
            models.CheckConstraint(
                condition=Q(credential_env="", credential_file="")
                | Q(credential_env="", credential_encrypted=b"")
                | Q(credential_file="", credential_encrypted=b""),
                name="provider_one_credential",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Name every setting that its adapter cannot work with."""
        adapter = registry.ADAPTERS.get(self.adapter)
        if adapter is None:
            known = ", ".join(registry.offered())
            raise ValidationError({"adapter": f"There is no adapter {self.adapter!r}; there are {known}."})
        if self.is_switched_off and self._state.adding:
            raise ValidationError({"adapter": registry.SWITCHED_OFF})
        if not isinstance(self.options, dict):
            raise ValidationError({"options": "The options must be a JSON object."})
        problems = adapter.problems(base_url=self.base_url, options=self.options)
        if self.credential_env and (problem := sources.variable_problem(self.credential_env)):
            problems["credential_env"] = problem
        if self.credential_file and (problem := sources.file_problem(self.credential_file)):
            problems["credential_file"] = problem
        if (self.credential_env or self.credential_file) and self.credential_encrypted:
            problems["credential_env"] = "Give a credential or the name of a variable or file, not both."
        if self.credential_env and self.credential_file:
            problems["credential_file"] = "Give the name of a variable or of a file, not both."
        if "options" not in problems:
            found = list(filter(None, (reference.problem for reference in referred(self.options))))
            problems |= {"options": " ".join(found)} if found else {}
        if problems:
            raise ValidationError(dict(problems))

    @property
    def simulated(self) -> bool:
        """Whether its answers are made up."""
        adapter = registry.ADAPTERS.get(self.adapter)
        return adapter is not None and adapter.simulated

    @property
    def is_switched_off(self) -> bool:
        """Whether this portal is not to use its adapter."""
        return self.adapter in registry.switched_off()

    @property
    def endpoints(self) -> frozenset[str]:
        """The endpoints it serves; none when its adapter is not part of this version."""
        adapter = registry.ADAPTERS.get(self.adapter)
        if adapter is None:
            return frozenset()
        return frozenset(self.options.get("endpoints") or adapter.endpoints) | self.further_endpoints

    @property
    def further_endpoints(self) -> frozenset[str]:
        """Those of its endpoints that its adapter would not serve of itself."""
        return frozenset(self.options.get("further_endpoints") or ())

    @property
    def id_path(self) -> str:
        """Where its answers name what they created: the keys that lead there, joined by dots."""
        return str(self.options.get("id_path") or "id")

    def take_default(self) -> None:
        """Be the portal's default from now on, instead of those that serve some of the same endpoints. Saves."""
        for other in Provider.objects.filter(is_default=True).exclude(pk=self.pk):
            if other.endpoints & self.endpoints:
                Provider.objects.filter(pk=other.pk).update(is_default=False)
        self.is_default = True
        self.save(update_fields=["is_default", "updated_at"])

    @property
    def way(self) -> str:
        """Which HTTP client serves it, and why, as far as this process can tell; empty for what speaks no HTTP."""
        adapter = registry.ADAPTERS.get(self.adapter)
        if adapter is None or adapter.simulated:
            return ""
        try:
            return str(way_to(self.base_url, msgspec.convert(_way_options(self.options), WayOptions), _environment()))
        except (ValueError, msgspec.ValidationError):
            return ""  # settings that cannot be used, which everything else says

    def connection(self) -> Connection:
        """Everything that an adapter needs, the secrets included. Raises CredentialUnavailable."""
        try:
            credential = self.credential()
            options, secrets = resolved(self.options, secrets=self.secrets())
        except Missing as error:
            raise CredentialUnavailable(f"Provider {self.name}: {error}") from None
        return Connection(
            name=self.name,
            base_url=self.base_url.rstrip("/"),
            credential=credential,
            options=options,
            max_response_bytes=settings.MAX_RESPONSE_BYTES,
            secrets=secrets,
            environment=_environment(),
        )


def _way_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in WayOptions.__struct_fields__}


def _environment() -> dict[str, str]:
    """The variables that say how to get out; none where they are not to be heeded."""
    if not settings.UPSTREAM_PROXIES_FROM_ENVIRONMENT:
        return {}
    return {name: value for name in ENVIRONMENT if (value := os.environ.get(name))}


class ProviderModel(models.Model):
    """A model at a provider: limits of its own, which hold besides the provider's, and what its tokens cost.

    Prices are per million tokens, in the portal's currency; an empty one is unknown, which is not nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=200, help_text="As requests name it.")
    max_concurrency = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    input_price = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True, validators=[MinValueValidator(0)])
    cached_price = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Of input tokens that came from the upstream's cache; empty: as any other.",
    )
    output_price = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True, validators=[MinValueValidator(0)])

    class Meta:
        ordering: ClassVar = ["provider", "name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["provider", "name"], name="provider_model_once")]

    def __str__(self) -> str:
        return self.name

    def cost_nanos(self, usage: Usage) -> int | None:
        """What this usage costs, in billionths of the portal's currency; None when a price, or a number of tokens, is unknown."""
        if self.input_price is None or self.output_price is None or usage.input is None or usage.output is None:
            return None
        cached_price = self.input_price if self.cached_price is None else self.cached_price
        cached = usage.cached
        if cached is None:
            if cached_price != self.input_price:
                return None
            cached = 0
        uncached = max(usage.input - cached, 0)
        return round(1000 * (uncached * self.input_price + cached * cached_price + usage.output * self.output_price))
