"""ProviderHealth: how a provider is doing, as the engine sees it."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from uuid_utils.compat import uuid7

from providers.models import Provider


class ProviderHealth(models.Model):
    """Written by executors every few seconds while they work; `model` is empty for the provider as a whole.

    `concurrency` is how many requests may be in flight at present, over all workers, and `in_use` how much of that they
    have taken; `limited_until` says until when its rate limits hold everything back, `breaker_until` until when the
    circuit breaker keeps all but a probe away.
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
    updated_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["provider", "model"]
        verbose_name_plural = "provider health"
        constraints: ClassVar = [models.UniqueConstraint(fields=["provider", "model"], name="provider_health_once")]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}".strip()

    def is_limited(self, *, now: datetime) -> bool:
        """Whether a rate limit holds everything back at present."""
        return self.limited_until is not None and self.limited_until > now
