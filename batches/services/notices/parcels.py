"""parcels: the messages of subscriptions: which are sent next, what they say, and what came of a try.

A parcel is the notices of one subscription that one message tells. Its notices are chosen when the message is first tried, and
stay the same in each try, so that its id names the same message. A subscription has one parcel at a time.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from uuid_utils.compat import uuid7

from batches.models import Channel, Notice, Subscription
from batches.models.webhook import WEBHOOK_TEXT_CHARS
from batches.rules.actors import ENGINE
from batches.rules.errors import LostRace
from batches.rules.states import Source
from batches.services.core.access import access_of
from batches.services.core.lease import is_free, lease_end
from batches.services.notices import messages
from batches.services.notices.messages import Told
from batches.services.notices.subscriptions import stop
from batches.services.webhooks.outcomes import GONE, Tried
from batches.services.webhooks.retries import next_try
from providers.secrets.secrecy import opened

SENDING = timedelta(minutes=2)  # the longest exchange with a mail server; the lease outlasts it


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message on its way: its id, where it goes, and its words. A chat gets the text alone."""

    id: uuid.UUID
    channel: Channel
    address: str  # an e-mail address, or the URL of a chat, which is a secret
    subject: str
    text: str

    def __repr__(self) -> str:
        return f"Parcel({self.id})"


def anything_due(*, now: datetime) -> bool:
    """Whether a message is to be sent and nobody sends it."""
    return _ready(now=now).exists()


@transaction.atomic
def take_due(owner: uuid.UUID, *, now: datetime, room: int) -> list[Subscription]:
    """Lease subscriptions with notices that are due, each with its parcel. The deliverer has `room` for so many more."""
    if room <= 0:
        return []
    rows = _ready(now=now).select_for_update(of=("self",), no_key=True, skip_locked=True).select_related("owner")
    taken: list[Subscription] = list(rows.order_by("?")[:room])
    for subscription in taken:
        if subscription.parcel is None:
            subscription.parcel, subscription.parcel_at, subscription.attempts = uuid7(), now, 0
            due = Notice.objects.filter(subscription=subscription, due_at__lte=now, parcel=None)
            due.update(parcel=subscription.parcel)
        subscription.lease_owner, subscription.lease_expires_at = owner, lease_end(now) + SENDING
        subscription.lease_epoch += 1
        subscription.save(update_fields=["parcel", "parcel_at", "attempts", "lease_owner", "lease_epoch", "lease_expires_at"])
    return taken


def compose(subscription: Subscription) -> Parcel | None:
    """The message of a parcel as its owner may read it now; None if there is nothing that they may be told.

    Raises CredentialUnavailable if this worker lacks the key of the chat's URL.
    """
    assert subscription.parcel is not None
    access = access_of(subscription.owner, source=Source.ENGINE)
    notices = _of_parcel(subscription)
    visible = access.within(notices.filter(batch__isnull=False), project="batch__project")
    if not subscription.every_project:
        visible = visible.filter(batch__project__in=subscription.projects.values("pk"))
    counts = dict(visible.order_by().values_list("type").annotate(Count("pk")))
    named = visible.select_related("batch__project", "batch__input_file").order_by("created_at", "id")
    told = Told(counts, list(named[: settings.NOTICE_LISTED]), is_test=notices.filter(batch=None).exists())
    if not subscription.owner.is_active or not (told.total or told.is_test):
        return None
    is_chat = subscription.channel == Channel.CHAT
    address = opened(bytes(subscription.chat_url_encrypted)) if is_chat else subscription.owner.email
    text = messages.chat_text(told) if is_chat else messages.mail_text(told)
    return Parcel(subscription.parcel, Channel(subscription.channel), address, messages.subject(told), text)


@transaction.atomic
def drop(subscription: Subscription) -> None:
    """End a parcel of which its owner may be told nothing. Raises LostRace."""
    kept = _held(subscription)
    _of_parcel(kept).update(due_at=None)
    _end_parcel(kept, next_at=kept.next_at)


@transaction.atomic
def record(subscription: Subscription, tried: Tried, *, now: datetime) -> None:
    """Record a try under the lease of its subscription, and give the lease back. Raises LostRace; then nothing is written."""
    kept = _held(subscription)
    kept.tried_at, kept.failure = now, tried.failure[:WEBHOOK_TEXT_CHARS]
    notices = _of_parcel(kept)
    if not tried.failure:
        notices.update(told_at=now, due_at=None)
        kept.told_at, kept.failing_since = now, None
        _end_parcel(kept, next_at=now + timedelta(seconds=settings.NOTICE_PAUSE_SECONDS))
        return
    assert kept.parcel_at is not None
    kept.failing_since = (kept.failing_since or now) if kept.enabled else None
    kept.attempts += 1
    until = kept.parcel_at + timedelta(hours=settings.WEBHOOK_RETRY_HOURS)
    again = next_try(attempts=kept.attempts, now=now, until=until, retry_after=tried.retry_after)
    notices.filter(batch=None).update(due_at=None)  # a test is tried once
    if again is None:
        notices.update(due_at=None)
    if again is None or not notices.exists():
        _end_parcel(kept, next_at=None)
    else:
        _give_back(kept, next_at=again)
    if kept.enabled and (reason := _why_stopped(kept, tried, now=now)):
        stop(kept, reason=reason, actor=ENGINE, now=now)


@transaction.atomic
def put_off(subscription: Subscription, *, until: datetime, failure: str) -> None:
    """Send a message later, because this worker could not try. It does not count as a try. Raises LostRace."""
    kept = _held(subscription)
    kept.failure = failure[:WEBHOOK_TEXT_CHARS]
    _give_back(kept, next_at=until)


def _ready(*, now: datetime) -> "QuerySet[Subscription]":
    due = Notice.objects.filter(subscription=OuterRef("pk"), due_at__lte=now)
    rested = Q(next_at=None) | Q(next_at__lte=now)
    return Subscription.objects.filter(is_free(now), rested, Exists(due), enabled=True)


def _of_parcel(subscription: Subscription) -> "QuerySet[Notice]":
    return Notice.objects.filter(subscription=subscription, parcel=subscription.parcel, due_at__isnull=False)


def _held(subscription: Subscription) -> Subscription:
    """The subscription as it is now, locked, if its lease is still held. Raises LostRace."""
    rows = Subscription.objects.select_for_update(of=("self",), no_key=True)
    lease = {"lease_owner": subscription.lease_owner, "lease_epoch": subscription.lease_epoch}
    found = rows.filter(pk=subscription.pk, parcel=subscription.parcel, **lease).first()
    if found is None:
        raise LostRace
    return found


def _end_parcel(subscription: Subscription, *, next_at: datetime | None) -> None:
    subscription.parcel, subscription.parcel_at, subscription.attempts = None, None, 0
    _give_back(subscription, next_at=next_at)


def _give_back(subscription: Subscription, *, next_at: datetime | None) -> None:
    subscription.next_at, subscription.lease_owner, subscription.lease_expires_at = next_at, None, None
    subscription.save()


def _why_stopped(subscription: Subscription, tried: Tried, *, now: datetime) -> str:
    """The reason to send nothing more; empty if there is none."""
    if tried.http_status == GONE:
        return "The chat answered 410: it is gone."
    if subscription.failing_since and subscription.failing_since <= now - timedelta(days=settings.WEBHOOK_DISABLE_AFTER_DAYS):
        return f"Nothing arrived for {settings.WEBHOOK_DISABLE_AFTER_DAYS:g} days. The last failure: {tried.failure}"
    return ""
