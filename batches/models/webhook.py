"""WebhookEndpoint: a receiver of a project's events; and WebhookDelivery: one event on its way to one receiver."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.models.lease import Leased
from batches.models.project import Project
from batches.rules import identifiers

WEBHOOK_NAME_CHARS = 100
WEBHOOK_URL_CHARS = 2000
WEBHOOK_TEXT_CHARS = 500
WEBHOOK_ANSWER_CHARS = 1000


class EventType(models.TextChoices):
    """An event that a receiver can be told of. The label says when it happens."""

    COMPLETED = "batch.completed", "A batch ran to its end. Single requests may have failed."
    FAILED = "batch.failed", "A batch could not run, such as one whose input is not valid."
    EXPIRED = "batch.expired", "The deadline of a batch passed before every request had run."
    CANCELLED = "batch.cancelled", "A batch was cancelled, and its result files are there."
    NEEDS_ATTENTION = "batch.needs_attention", "A batch was paused by a guard, will miss its deadline, or is blocked."
    CREATED = "batch.created", "A batch was created."


# The events of an endpoint that names none: those of OpenAI's contract.
OF_ENDS = (EventType.COMPLETED, EventType.FAILED, EventType.EXPIRED, EventType.CANCELLED)


class DeliveryStatus(models.TextChoices):
    """Whether a delivery is over."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up", "Given up"


def ends() -> list[str]:
    """The types of events that a new endpoint gets."""
    return [event_type.value for event_type in OF_ENDS]


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def given_up(self) -> "WebhookEndpointQuerySet":
        """The endpoints that the portal has disabled because they take nothing any more. A person may enable or remove them."""
        return self.filter(enabled=False, failing_since__isnull=False)


class WebhookEndpoint(models.Model):
    """A URL that a project's events are sent to, and the secret that signs them.

    The one endpoint without a URL stands for the `callback_url`s of the project's batches. Until `former_until` deliveries
    carry a signature of the former secret as well. `failing_since` is the first failure after the last success; it is emptied
    when a person enables or disables the endpoint.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="webhook_endpoints")
    name = models.CharField(max_length=WEBHOOK_NAME_CHARS, blank=True, default="")
    url = models.CharField(max_length=WEBHOOK_URL_CHARS, blank=True, default="")
    event_types = models.JSONField(default=ends)
    secret_encrypted = models.BinaryField(editable=False)
    former_secret_encrypted = models.BinaryField(blank=True, default=b"", editable=False)
    former_until = models.DateTimeField(null=True, blank=True, editable=False)
    secret_hint = models.CharField(max_length=4, editable=False, help_text="The last characters of the secret.")
    enabled = models.BooleanField(default=True)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.CharField(max_length=WEBHOOK_TEXT_CHARS, blank=True, default="", editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=200, blank=True, default="", editable=False)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project"], condition=Q(url=""), name="webhook_callbacks_once"),
        ]

    def __str__(self) -> str:
        return identifiers.render("we_", self.id)

    @property
    def is_callbacks(self) -> bool:
        """Whether the endpoint stands for the `callback_url`s of the project's batches."""
        return not self.url

    def has_former_secret(self, *, now: datetime) -> bool:
        """Whether deliveries carry a signature of the former secret as well."""
        return self.former_until is not None and self.former_until > now


class WebhookDelivery(Leased):
    """One event on its way to one receiver. The lease is for the one deliverer that sends it.

    `body` is exactly what is sent, in each try. `event_id` is the same for every receiver of the event and for every try, so
    that receivers recognise what they have. A delivery with `due_at` is to be sent then; without, nothing is to be done: it is
    over, or its endpoint is disabled.

    The database does not enforce `endpoint`: else a batch could not end while somebody removes one. A delivery without its
    endpoint is never sent, and removed when it is old.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False, db_constraint=False
    )
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="webhook_deliveries", db_index=False)
    batch = models.ForeignKey(
        Batch, null=True, blank=True, on_delete=models.CASCADE, related_name="webhook_deliveries", help_text="None: a test."
    )
    event_id = models.UUIDField()
    type = models.CharField(max_length=40)
    url = models.CharField(max_length=WEBHOOK_URL_CHARS)
    body = models.BinaryField()
    status = models.CharField(max_length=9, choices=DeliveryStatus.choices, default=DeliveryStatus.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Of the last answer.")
    answer = models.CharField(max_length=WEBHOOK_ANSWER_CHARS, blank=True, default="", help_text="The beginning of its body.")
    failure = models.CharField(max_length=WEBHOOK_TEXT_CHARS, blank=True, default="", help_text="Why the last try failed.")
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True, help_text="The last try.")
    delivered_at = models.DateTimeField(null=True, blank=True)
    redelivery_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        verbose_name_plural = "webhook deliveries"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=DeliveryStatus.values), name="webhook_delivery_status_known"),
            models.CheckConstraint(
                condition=Q(status=DeliveryStatus.WAITING) | Q(due_at=None), name="webhook_delivery_due_while_waiting"
            ),
            models.CheckConstraint(
                condition=~Q(status=DeliveryStatus.DELIVERED) | Q(delivered_at__isnull=False), name="webhook_delivery_stamped"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="webhook_delivery_due"),
            models.Index(fields=["endpoint", "due_at"], condition=Q(due_at__isnull=False), name="webhook_delivery_next"),
            models.Index(fields=["endpoint"], condition=Q(lease_expires_at__isnull=False), name="webhook_delivery_leased"),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="webhook_delivery_list"),
            models.Index(fields=["project", "-created_at", "-id"], name="webhook_delivery_project"),
            models.Index(fields=["created_at"], name="webhook_delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} to {self.url}"

    @property
    def wire_id(self) -> str:
        """The id of the event, as receivers get it in `webhook-id`."""
        return identifiers.render("evt_", self.event_id)

    @property
    def is_test(self) -> bool:
        """Whether somebody asked for the delivery to try the endpoint. Its batch does not exist."""
        return self.batch_id is None
