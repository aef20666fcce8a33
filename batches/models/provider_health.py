"""ProviderHealth: how a provider is doing, as the engine sees it."""

from datetime import datetime
from hashlib import blake2b
from typing import ClassVar
from uuid import UUID

from django.db import models
from uuid_utils.compat import uuid7

from providers.failures import Kind
from providers.models import Provider

_KINDS = frozenset(kind.value for kind in Kind)
ACCOUNT_KINDS = tuple(kind.value for kind in Kind if kind.is_of_account)
DIGESTED = "#"  # what the key of a model begins with that no operator has configured


def model_key(name: str) -> str:
    """What stands for a model that no operator has configured: clients choose its name, and everybody may see the key."""
    return f"{DIGESTED}{blake2b(name.encode(errors='surrogatepass'), digest_size=8).hexdigest()}"


class ProviderHealthQuerySet(models.QuerySet["ProviderHealth"]):
    def with_account_problem(self) -> "ProviderHealthQuerySet":
        """The rows of providers that are held for their account, one each."""
        return self.filter(model="", hold_kind__in=ACCOUNT_KINDS)

    def about(self, provider_id: UUID, *, model: str) -> "ProviderHealthQuerySet":
        """The row of a provider as a whole, then that of a model of its, if there is one."""
        return self.filter(provider=provider_id, model__in={"", model, model_key(model)}).order_by("model")


class ProviderHealth(models.Model):
    """Written by executors every few seconds while they work; `model` is empty for the provider as a whole.

    Everybody may see a row, so it holds kinds and numbers, and never a text that came from a call. What keeps the requests
    of one project back, and not those of others, is not in it.

    `concurrency` is how many requests may be in flight at present, over all workers, and `in_use` how much of that they
    have taken; `limited_until` says until when its rate limits hold everything back, `breaker_until` until when the
    circuit breaker keeps all but a probe away.

    `hold_kind` is the kind of failure for which the provider, or the model, is held: empty where it is not. `probe_asked_at`
    and `resumed_at` are written by operators' acts alone; executors read them, and send a probe at once, or end the hold.
    """

    class Breaker(models.TextChoices):
        CLOSED = "closed"
        HALF_OPEN = "half_open", "half open"
        OPEN = "open"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="health")
    model = models.CharField(max_length=200, blank=True)
    concurrency = models.PositiveIntegerField()
    in_use = models.PositiveIntegerField(default=0)
    limited_until = models.DateTimeField(null=True, blank=True)
    limited_reason = models.CharField(max_length=200, blank=True)
    breaker = models.CharField(max_length=9, choices=Breaker.choices, default=Breaker.CLOSED)
    breaker_until = models.DateTimeField(null=True, blank=True)
    breaker_reason = models.CharField(max_length=200, blank=True)
    hold_kind = models.CharField(max_length=32, blank=True, default="", db_default="")
    held_since = models.DateTimeField(null=True, blank=True)
    hold_strikes = models.PositiveIntegerField(default=0, db_default=0, help_text="Calls in a row that failed for this reason.")
    probe_at = models.DateTimeField(null=True, blank=True, help_text="When the next probe may be sent.")
    probe_asked_at = models.DateTimeField(null=True, blank=True)
    resumed_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    objects = ProviderHealthQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["provider", "model"]
        verbose_name_plural = "provider health"
        constraints: ClassVar = [models.UniqueConstraint(fields=["provider", "model"], name="provider_health_once")]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}".strip()

    @property
    def hold(self) -> Kind | None:
        """The kind of failure for which it is held; None where it is not."""
        return Kind(self.hold_kind) if self.hold_kind in _KINDS else None

    @property
    def has_news(self) -> bool:
        """Whether something keeps its requests back."""
        return bool(self.hold_kind or self.limited_until)

    @property
    def has_account_problem(self) -> bool:
        """Whether it is held because its account is empty, or its credential is refused."""
        return self.hold is not None and self.hold.is_of_account

    def is_limited(self, *, now: datetime) -> bool:
        """Whether a rate limit holds everything back at present."""
        return self.limited_until is not None and self.limited_until > now
