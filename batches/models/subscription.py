"""Subscription: the events that a person wants to be told of, where and how often; and Notice: one event for one of them."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from batches.models.batch import Batch
from batches.models.lease import Leased
from batches.models.project import Project
from batches.models.webhook import WEBHOOK_TEXT_CHARS, EventType

CHAT_HOST_CHARS = 255


class Channel(models.TextChoices):
    """The way by which a person is told."""

    EMAIL = "email", "E-mail"
    CHAT = "chat", "Chat webhook"


class Frequency(models.TextChoices):
    """How often a person is told."""

    AT_ONCE = "at_once", "At once"
    HOURLY = "hourly", "Once an hour"
    DAILY = "daily", "Once a day"


def usual_types() -> list[str]:
    """The types of events of a new subscription: what a person may have to act on, and the end of work."""
    return [each.value for each in EventType if each != EventType.CREATED]


class Subscription(Leased):
    """A person's wish to be told of events. The lease is for the one deliverer that sends its messages.

    `parcel` is the message that is being sent: the notices that carry the same value. It stays the same in each try. Nothing is
    sent before `next_at`. `failing_since` is the first failure after the last success; it is emptied when the person pauses or
    resumes the subscription.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="subscriptions")
    channel = models.CharField(max_length=5, choices=Channel.choices)
    chat_url_encrypted = models.BinaryField(blank=True, default=b"", editable=False)
    chat_host = models.CharField(max_length=CHAT_HOST_CHARS, blank=True, default="", editable=False)
    event_types = models.JSONField(default=usual_types)
    every_project = models.BooleanField(default=True, help_text="All that the person sees, also those to come.")
    projects = models.ManyToManyField(Project, blank=True, related_name="+")
    frequency = models.CharField(max_length=7, choices=Frequency.choices, default=Frequency.AT_ONCE)
    enabled = models.BooleanField(default=True)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.CharField(max_length=WEBHOOK_TEXT_CHARS, blank=True, default="", editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    failure = models.CharField(max_length=WEBHOOK_TEXT_CHARS, blank=True, default="", editable=False)
    parcel = models.UUIDField(null=True, blank=True, editable=False)
    parcel_at = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False, help_text="To send the parcel.")
    next_at = models.DateTimeField(null=True, blank=True, editable=False)
    tried_at = models.DateTimeField(null=True, blank=True, editable=False)
    told_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="The last message that arrived.")
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(channel__in=Channel.values), name="subscription_channel_known"),
            models.CheckConstraint(condition=Q(frequency__in=Frequency.values), name="subscription_frequency_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} at {self.chat_host}" if self.chat_host else self.get_channel_display()

    @property
    def is_given_up(self) -> bool:
        """Whether the portal stopped it, because its messages failed for too long."""
        return not self.enabled and self.failing_since is not None


class Notice(models.Model):
    """One event for one subscription. A notice with `due_at` is to be sent then; without, nothing is to be done.

    The database does not enforce `subscription`: else a batch could not end while somebody removes one. A notice without its
    subscription is never sent, and removed when it is old.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subscription = models.ForeignKey(
        Subscription, on_delete=models.CASCADE, related_name="notices", db_index=False, db_constraint=False
    )
    batch = models.ForeignKey(
        Batch, null=True, blank=True, on_delete=models.CASCADE, related_name="notices", help_text="None: a test."
    )
    type = models.CharField(max_length=40)
    reason = models.CharField(max_length=20, blank=True, default="", help_text="Why the batch needs attention.")
    due_at = models.DateTimeField(null=True, blank=True)
    parcel = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(told_at=None) | Q(due_at=None), name="notice_due_until_told"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["subscription", "due_at"], condition=Q(due_at__isnull=False), name="notice_next"),
            models.Index(fields=["subscription", "-created_at", "-id"], name="notice_list"),
            models.Index(fields=["created_at"], name="notice_age"),
        ]

    def __str__(self) -> str:
        return self.type


def due_time(frequency: str, *, now: datetime) -> datetime:
    """When a person is told of an event that happens now: at once, at the next full hour, or at the hour of the day, in UTC."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    match Frequency(frequency):
        case Frequency.AT_ONCE:
            return now
        case Frequency.HOURLY:
            return hour + timedelta(hours=1)
        case Frequency.DAILY:
            today = hour.replace(hour=settings.NOTICE_DAILY_HOUR)
            return today if today > now else today + timedelta(days=1)
