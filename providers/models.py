"""Provider: one configured upstream."""

import os
import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from providers import registry, sources
from providers.base import Connection, CredentialUnavailable, Usage
from providers.guards import Guarded
from providers.references import SEALED, SECRET_NAME, referred, resolved, sealed
from providers.sources import MAX_SECRET_CHARS, Missing
from providers.transport.way import ENVIRONMENT, WayOptions, way_to

__all__ = ["CredentialUnavailable", "Provider", "ProviderModel", "validate_credential"]

_CREDENTIAL = re.compile(r"[!-~]+")  # what fits into a header


def validate_credential(secret: str) -> None:
    """Raise ValidationError for what no upstream takes as a key; the message does not quote it."""
    if not _CREDENTIAL.fullmatch(secret):
        raise ValidationError("A credential consists of visible ASCII characters, without spaces or line breaks.")


class ProviderQuerySet(models.QuerySet["Provider"]):
    def enabled(self) -> "ProviderQuerySet":
        """What batches may be sent to."""
        return self.filter(enabled=True).exclude(adapter__in=registry.switched_off())


class Provider(Guarded):
    """An upstream: which adapter speaks to it, where it is, with what credential and within what limits.

    The credential is encrypted at rest, or in an environment variable or a file of the workers that is named; never two of
    these. Further secrets, which options refer to by name, are encrypted at rest together, as are the values of extra headers.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(unique=True, max_length=64)
    adapter = models.CharField(max_length=32)
    base_url = models.CharField(max_length=500, blank=True)
    credential_encrypted = models.BinaryField(blank=True, default=b"", editable=False)
    credential_env = models.CharField(max_length=128, blank=True)
    credential_file = models.CharField(max_length=128, blank=True, default="", db_default="")
    secrets_encrypted = models.BinaryField(blank=True, default=b"", db_default=b"", editable=False)
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

    def set_credential(self, secret: str) -> None:
        """Keep a secret encrypted under the first of CREDENTIAL_KEYS; an empty one removes it. Does not save."""
        if secret:
            validate_credential(secret)
        self.credential_env = self.credential_file = ""
        self.credential_encrypted = _cipher().encrypt(secret.encode()) if secret else b""

    def set_secret(self, name: str, secret: str) -> None:
        """Keep a secret that options refer to, encrypted; an empty one removes it. Does not save. Raises ValidationError."""
        if not SECRET_NAME.fullmatch(name):
            raise ValidationError("The name of a secret consists of letters, digits, dots, dashes and underscores.")
        if len(secret) > MAX_SECRET_CHARS or "\x00" in secret:
            raise ValidationError(f"A secret is text of at most {MAX_SECRET_CHARS} characters.")
        self._keep({**self.secrets(), name: secret})

    def seal_headers(self) -> frozenset[str]:
        """Move the values of extra headers from the options to the encrypted secrets; their names there. Does not save.

        What was moved there for a header that is gone is forgotten. Raises CredentialUnavailable.
        """
        self.options, moved = sealed(self.options)
        used = {reference.secret for reference in referred(self.options)}
        kept = self.secrets()
        if moved or any(name.startswith(SEALED) and name not in used for name in kept):
            self._keep({name: value for name, value in kept.items() if name in used or not name.startswith(SEALED)} | moved)
        return frozenset(moved)

    def forget_secrets(self, *, but: Collection[str]) -> None:
        """Keep none of the secrets that options may refer to but these, and none that cannot be read. Does not save."""
        try:
            kept = self.secrets()
        except CredentialUnavailable:
            kept = {}
        self._keep({name: value for name, value in kept.items() if name in but})

    def _keep(self, secrets: Mapping[str, str]) -> None:
        kept = {name: value for name, value in secrets.items() if value}
        self.secrets_encrypted = _cipher().encrypt(msgspec.json.encode(kept)) if kept else b""

    @property
    def secret_names(self) -> list[str]:
        """The secrets that are stored, by name. Raises CredentialUnavailable."""
        return sorted(self.secrets())

    @property
    def secrets_used(self) -> list[str]:
        """The secrets, variables and files that the options refer to, in words."""
        return sorted({str(reference) for reference in referred(self.options)})

    @property
    def credential_kept(self) -> str:
        """How the credential is kept, not what it is."""
        if self.credential_env:
            return f"in the variable {self.credential_env} of the workers"
        if self.credential_file:
            return f"in the file {self.credential_file} of the workers"
        return "stored, encrypted" if self.credential_encrypted else "none"

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

    def rotate_credential(self) -> None:
        """Encrypt the secrets anew under the first of CREDENTIAL_KEYS. Does not save. Raises CredentialUnavailable."""
        try:
            if self.credential_encrypted:
                self.credential_encrypted = _cipher().rotate(bytes(self.credential_encrypted))
            if self.secrets_encrypted:
                self.secrets_encrypted = _cipher().rotate(bytes(self.secrets_encrypted))
        except InvalidToken:
            raise CredentialUnavailable(self._undecipherable) from None

    def connection(self) -> Connection:
        """Everything that an adapter needs, the secrets included. Raises CredentialUnavailable."""
        try:
            credential = self._credential()
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

    def _credential(self) -> str:
        if self.credential_env:
            return sources.variable(self.credential_env)
        if self.credential_file:
            return sources.file(self.credential_file)
        if not self.credential_encrypted:
            return ""
        return self._deciphered(self.credential_encrypted).decode()

    def secrets(self) -> dict[str, str]:
        """The stored secrets that options may refer to, by name. Raises CredentialUnavailable."""
        if not self.secrets_encrypted:
            return {}
        return msgspec.json.decode(self._deciphered(self.secrets_encrypted), type=dict[str, str])

    def _deciphered(self, secret: "bytes | memoryview[int]") -> bytes:
        try:
            return _cipher().decrypt(bytes(secret))
        except InvalidToken:
            raise CredentialUnavailable(self._undecipherable) from None

    @property
    def _undecipherable(self) -> str:
        return f"The credential of provider {self.name} is encrypted under a key that CREDENTIAL_KEYS does not hold."


def _way_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in WayOptions.__struct_fields__}


def _environment() -> dict[str, str]:
    """The variables that say how to get out; none where they are not to be heeded."""
    if not settings.UPSTREAM_PROXIES_FROM_ENVIRONMENT:
        return {}
    return {name: value for name in ENVIRONMENT if (value := os.environ.get(name))}


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIAL_KEYS])


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
