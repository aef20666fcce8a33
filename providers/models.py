"""Provider: one configured upstream."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from providers import registry
from providers.base import Connection, CredentialUnavailable, Usage
from providers.guards import Guarded
from providers.jobs.registry import family_problem
from providers.secrets import sources
from providers.secrets.references import referred, resolved
from providers.secrets.secrecy import KeepsSecrets, validate_credential
from providers.secrets.sources import Missing
from providers.transport.way import ENVIRONMENT, WayOptions, way_to

__all__ = ["CredentialUnavailable", "Provider", "ProviderModel", "validate_credential"]

EXECUTIONS = ("direct", "delegated", "hybrid", "auto")
REGION_CHARS = 200


class ProviderQuerySet(models.QuerySet["Provider"]):
    def enabled(self) -> "ProviderQuerySet":
        """The providers that batches may be sent to."""
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
    standby = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="stands_by_for",
        help_text="Takes over running batches when this provider is down for longer than STANDBY_AFTER_SECONDS.",
    )
    jobs_family = models.CharField(
        max_length=32, blank=True, default="", db_default="", help_text="The kind of its own batch API; empty if it has none."
    )
    max_open_jobs = models.PositiveIntegerField(
        default=100, db_default=100, validators=[MinValueValidator(1)], help_text="Jobs at its batch API at one time."
    )
    execution = models.CharField(
        max_length=9,
        blank=True,
        default="",
        db_default="",
        help_text="Of its batches, if neither they nor their project say: direct, delegated, hybrid or auto.",
    )
    jobs_region = models.CharField(
        max_length=REGION_CHARS,
        blank=True,
        default="",
        db_default="",
        help_text="Where its batch API keeps requests and results, in words for people who allow that, such as EU (Frankfurt).",
    )
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
        """Raise ValidationError with every setting that the adapter cannot work with."""
        adapter = registry.ADAPTERS.get(self.adapter)
        if adapter is None:
            known = ", ".join(registry.offered())
            raise ValidationError({"adapter": f"There is no adapter {self.adapter!r}; there are {known}."})
        if self.is_switched_off and self._state.adding:
            raise ValidationError({"adapter": registry.SWITCHED_OFF})
        if not isinstance(self.options, dict):
            raise ValidationError({"options": "The options must be a JSON object."})
        problems = adapter.problems(base_url=self.base_url, options=self.options)
        if unfit := family_problem(self.jobs_family, adapter=self.adapter, options=self.options):
            problems["jobs_family"] = unfit
        if self.execution not in ("", *EXECUTIONS):
            problems["execution"] = f"It is one of {', '.join(EXECUTIONS)}, not {self.execution!r}."
        elif self.execution not in ("", "direct") and not self.jobs_family:
            problems["execution"] = f"It cannot be {self.execution} without a batch API: name its jobs_family, too."
        if unfit := self._standby_problem():
            problems["standby"] = unfit
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

    def _standby_problem(self) -> str:
        """Why the standby cannot take over any batch; empty if it can."""
        if self.standby is None:
            return ""
        if self.standby.pk == self.pk:
            return "A provider cannot stand by for itself."
        if not self.standby.endpoints & self.endpoints:
            return f"{self.standby} serves none of the endpoints of this provider."
        return ""

    @property
    def simulated(self) -> bool:
        """Whether the provider's answers are made up."""
        adapter = registry.ADAPTERS.get(self.adapter)
        return adapter is not None and adapter.simulated

    @property
    def is_switched_off(self) -> bool:
        """Whether the settings switch the provider's adapter off."""
        return self.adapter in registry.switched_off()

    @property
    def endpoints(self) -> frozenset[str]:
        """The endpoints that the provider serves; none if its adapter is not part of this version."""
        adapter = registry.ADAPTERS.get(self.adapter)
        if adapter is None:
            return frozenset()
        return frozenset(self.options.get("endpoints") or adapter.endpoints) | self.further_endpoints

    @property
    def further_endpoints(self) -> frozenset[str]:
        """The endpoints that the provider's options add to those of its adapter."""
        return frozenset(self.options.get("further_endpoints") or ())

    @property
    def id_path(self) -> str:
        """The place of a new record's id in an answer: the keys that lead to it, joined by dots."""
        return str(self.options.get("id_path") or "id")

    def take_default(self) -> None:
        """Make this provider the portal's default, in the place of defaults that serve any of the same endpoints. Saves."""
        for other in Provider.objects.filter(is_default=True).exclude(pk=self.pk):
            if other.endpoints & self.endpoints:
                Provider.objects.filter(pk=other.pk).update(is_default=False)
        self.is_default = True
        self.save(update_fields=["is_default", "updated_at"])

    @property
    def way(self) -> str:
        """The HTTP client for this provider and the reason, as far as this process can tell; empty for the simulator."""
        adapter = registry.ADAPTERS.get(self.adapter)
        if adapter is None or adapter.simulated:
            return ""
        try:
            return str(way_to(self.base_url, msgspec.convert(_way_options(self.options), WayOptions), _environment()))
        except (ValueError, msgspec.ValidationError):
            return ""  # the settings cannot be used; other checks report that

    def connection(self) -> Connection:
        """The connection that an adapter needs, with the secrets. Raises CredentialUnavailable."""
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
    """The variables that name proxies and CA certificates; none if the settings tell the portal to ignore them."""
    if not settings.UPSTREAM_PROXIES_FROM_ENVIRONMENT:
        return {}
    return {name: value for name in ENVIRONMENT if (value := os.environ.get(name))}


class ProviderModel(models.Model):
    """A model at a provider, with its limits and its prices. The limits hold in addition to those of the provider.

    Prices are per million tokens, in the portal's currency. An empty price is unknown, which is not 0.
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
    batch_factor = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="The share of these prices that the provider's batch API charges; empty: as its kind usually does.",
    )

    class Meta:
        ordering: ClassVar = ["provider", "name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["provider", "name"], name="provider_model_once")]

    def __str__(self) -> str:
        return self.name

    def cost_nanos(self, usage: Usage) -> int | None:
        """The cost of a usage, in billionths of the portal's currency; None if a price, or a number of tokens, is unknown."""
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
