"""ProviderHealth: the health of a provider or a model, as the engine sees it."""

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
DIGESTED = "#"  # the first character of the key of a model that no operator has configured


def model_key(name: str) -> str:
    """The key of a model that no operator has configured. It hides the name, since clients choose it and everybody sees keys."""
    return f"{DIGESTED}{blake2b(name.encode(errors='surrogatepass'), digest_size=8).hexdigest()}"


class ProviderHealthQuerySet(models.QuerySet["ProviderHealth"]):
    def with_account_problem(self) -> "ProviderHealthQuerySet":
        """The rows of providers under a hold for their account, one row for each."""
        return self.filter(model="", hold_kind__in=ACCOUNT_KINDS)

    def about(self, provider_id: UUID, *, model: str) -> "ProviderHealthQuerySet":
        """The row of a provider as a whole, and then the row of its model, if there is one."""
        return self.filter(provider=provider_id, model__in={"", model, model_key(model)}).order_by("model")


class ProviderHealth(models.Model):
    """The health of a provider as a whole (`model` is empty) or of a model. Executors write it every few seconds.

    Everybody may see a row, so it holds kinds and numbers, and never a text that came from a call. Limits that hold back the
    requests of one project only are not in it.

    `concurrency` is how many requests may be in flight at present, over all workers, and `in_use` is how many slots they use.
    `limited_until` is the time until which rate limits hold all requests back. `breaker_until` is the time until which the
    circuit breaker lets only probes through.

    `in_flight` is how many calls were sent and not answered yet, over all workers, and `oldest_sent_at` when the first of these
    was sent. The `recent_` counts are outcomes of the latest calls, of a minute at most; `recent_refused` of them were turned
    away with a 429, and `recent_unanswered` failed without an answer. `failed_in_a_row` is how many calls failed since the last
    success. A row of a model has none of these.

    `hold_kind` is the kind of failure that began a hold; it is empty without a hold. Only acts of operators write
    `probe_asked_at` and `resumed_at`. Executors read them, and send a probe at once, or end the hold.

    `down_since` is the time since which the provider has been down without a break. The beat writes it (`downtime`).
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
    breaker_kind = models.CharField(max_length=32, blank=True, default="", db_default="", help_text="Of the last fault.")
    in_flight = models.PositiveIntegerField(default=0, db_default=0)
    oldest_sent_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True, help_text="When the last answer came, whatever it said.")
    recent_calls = models.PositiveIntegerField(default=0, db_default=0)
    recent_succeeded = models.PositiveIntegerField(default=0, db_default=0)
    recent_refused = models.PositiveIntegerField(default=0, db_default=0)
    recent_unanswered = models.PositiveIntegerField(default=0, db_default=0)
    failed_in_a_row = models.PositiveIntegerField(default=0, db_default=0)
    hold_kind = models.CharField(max_length=32, blank=True, default="", db_default="")
    held_since = models.DateTimeField(null=True, blank=True)
    hold_strikes = models.PositiveIntegerField(default=0, db_default=0, help_text="Calls in a row that failed for this reason.")
    probe_at = models.DateTimeField(null=True, blank=True, help_text="When the next probe may be sent.")
    probe_asked_at = models.DateTimeField(null=True, blank=True)
    resumed_at = models.DateTimeField(null=True, blank=True)
    down_since = models.DateTimeField(null=True, blank=True)
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
        """The kind of failure that began the hold; None without a hold."""
        return Kind(self.hold_kind) if self.hold_kind in _KINDS else None

    @property
    def has_news(self) -> bool:
        """Whether a hold or a rate limit keeps requests back."""
        return bool(self.hold_kind or self.limited_until)

    @property
    def has_account_problem(self) -> bool:
        """Whether there is a hold because the account is empty or the credential is refused."""
        return self.hold is not None and self.hold.is_of_account

    def is_limited(self, *, now: datetime) -> bool:
        """Whether a rate limit holds all requests back at present."""
        return self.limited_until is not None and self.limited_until > now
