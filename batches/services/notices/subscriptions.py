"""subscriptions: what a person wants to be told of: add, change, pause, test and remove it. Every act is recorded.

A subscription is its owner's alone: others do not find it.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from batches.models import Channel, EventType, Frequency, Notice, Project, Subscription
from batches.models.subscription import CHAT_HOST_CHARS, due_time
from batches.models.webhook import WEBHOOK_TEXT_CHARS
from batches.rules.actors import Actor
from batches.rules.changes import Changes
from batches.rules.errors import Conflict, InvalidRequest, NotFound
from batches.services.core import wake
from batches.services.core.access import Access
from batches.services.core.audit import hidden, plainly, record_act
from batches.services.webhooks.receivers import require_receiver
from providers.secrets.secrecy import resealed, sealed_credential

TEST = "test"  # the type of a notice that a person asked for


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants to be told of, and how often. Without `projects`, of all that they see."""

    event_types: Sequence[str]
    frequency: str
    projects: Collection[Project] | None = None


def offers_email() -> bool:
    """Whether the portal has a mail server."""
    return bool(settings.EMAIL_HOST)


def own_subscriptions(access: Access) -> QuerySet[Subscription]:
    """The person's own subscriptions."""
    return Subscription.objects.filter(owner=access.user)


def stopped_subscriptions(access: Access) -> QuerySet[Subscription]:
    """The person's own subscriptions that the portal stopped because messages failed for too long."""
    return own_subscriptions(access).filter(enabled=False, failing_since__isnull=False)


def own_subscription(access: Access, key: uuid.UUID) -> Subscription:
    """The person's own subscription with this id. Raises NotFound."""
    found = own_subscriptions(access).filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such subscription.")
    return found


@transaction.atomic
def subscribe(
    access: Access, wish: Wish, *, channel: str, chat_url: str = "", now: datetime, id: uuid.UUID | None = None
) -> Subscription:
    """A new subscription of a person. Raises InvalidRequest, and Conflict if they have too many.

    A form that may be sent twice gives the `id`; then the second time raises IntegrityError.
    """
    _require_valid(access, wish)
    if channel not in Channel.values or (channel == Channel.EMAIL and not offers_email()):
        raise InvalidRequest("This portal tells nobody in this way.", param="channel")
    if channel == Channel.EMAIL and not access.user.email:
        raise InvalidRequest("Your account has no e-mail address. An administrator of the portal can add it.", param="channel")
    User.objects.select_for_update(no_key=True).get(pk=access.user.pk)  # the subscriptions of a person are counted one by one
    if own_subscriptions(access).count() >= settings.NOTICE_SUBSCRIPTIONS_PER_PERSON:
        raise Conflict(f"A person may have {settings.NOTICE_SUBSCRIPTIONS_PER_PERSON} subscriptions: remove one first.")
    subscription = Subscription(owner=access.user, channel=channel, created_at=now, updated_at=now, **({"id": id} if id else {}))
    secrets: list[str] = []
    if channel == Channel.CHAT:
        _keep_url(subscription, chat_url)
        secrets = ["chat_url"]
    before = _told(None)
    _grant(subscription, wish)
    subscription.save(force_insert=True)
    subscription.projects.set(wish.projects or ())
    changes = _changes(before, _told(subscription)) | hidden(secrets)
    record_act("add_subscription", actor=access.actor, now=now, target=subscription, changes=changes)
    return subscription


@transaction.atomic
def change(subscription: Subscription, wish: Wish, *, by: Access, now: datetime, chat_url: str = "") -> Subscription:
    """Change what a person is told of; without a `chat_url`, not where. What waits is told when it would be from now on.

    Raises InvalidRequest and NotFound.
    """
    subscription = _locked(subscription, by)
    _require_valid(by, wish)
    before, was = _told(subscription), subscription.frequency
    secrets: list[str] = []
    if chat_url and subscription.channel == Channel.CHAT:
        _keep_url(subscription, chat_url)
        secrets = ["chat_url"]
    _grant(subscription, wish)
    subscription.updated_at = now
    subscription.save()
    subscription.projects.set(wish.projects or ())
    if subscription.frequency != was:
        waiting = Notice.objects.filter(subscription=subscription, due_at__isnull=False, parcel=None)
        if waiting.update(due_at=due_time(subscription.frequency, now=now)):
            wake.notify()
    if changes := _changes(before, _told(subscription)) | hidden(secrets):
        record_act("change_subscription", actor=by.actor, now=now, target=subscription, changes=changes)
    return subscription


@transaction.atomic
def switch(subscription: Subscription, *, enabled: bool, by: Access, now: datetime) -> Subscription:
    """Pause or resume a subscription. Events of a pause are not recorded for it; what waited before is told afterwards."""
    subscription = _locked(subscription, by)
    if subscription.enabled == enabled:
        return subscription
    subscription.enabled, subscription.updated_at = enabled, now
    subscription.failing_since, subscription.failure, subscription.next_at = None, "", None
    subscription.disabled_at = None if enabled else now
    subscription.disabled_reason = "" if enabled else "It was paused."
    subscription.save()
    act = "resume_subscription" if enabled else "pause_subscription"
    record_act(act, actor=by.actor, now=now, target=subscription)
    if enabled:
        wake.notify()
    return subscription


@transaction.atomic
def send_test(subscription: Subscription, *, by: Access, now: datetime) -> Notice:
    """Tell a person that they are told. It is tried once. Raises Conflict for a paused subscription, and NotFound."""
    subscription = _locked(subscription, by)
    if not subscription.enabled:
        raise Conflict("The subscription is paused: resume it first.")
    Notice.objects.filter(subscription=subscription, batch=None, due_at__isnull=False, parcel=None).delete()  # one is enough
    notice = Notice.objects.create(subscription=subscription, type=TEST, due_at=now, created_at=now)
    subscription.next_at = None
    subscription.save(update_fields=["next_at"])
    record_act("test_subscription", actor=by.actor, now=now, target=subscription)
    wake.notify()
    return notice


@transaction.atomic
def unsubscribe(subscription: Subscription, *, by: Access, now: datetime) -> None:
    """Remove a subscription with its notices, whether they were told or not. Raises NotFound."""
    subscription = _locked(subscription, by)
    changes = _changes(_told(subscription), _told(None))
    record_act("remove_subscription", actor=by.actor, now=now, target=subscription, changes=changes)
    subscription.delete()


def stop(subscription: Subscription, *, reason: str, actor: Actor, now: datetime) -> None:
    """Send nothing more, for a reason that pages show. Must be called with the subscription locked."""
    subscription.enabled, subscription.disabled_at, subscription.disabled_reason = False, now, reason[:WEBHOOK_TEXT_CHARS]
    subscription.save(update_fields=["enabled", "disabled_at", "disabled_reason"])
    record_act("stop_subscription", actor=actor, now=now, target=subscription, reason=reason)


@transaction.atomic
def encrypt_anew(*, actor: Actor, now: datetime) -> int:
    """Encrypt the URLs of all chats anew under the first of CREDENTIAL_KEYS. Return how many there are.

    Raises providers.base.CredentialUnavailable, and changes nothing, if one cannot be deciphered.
    """
    kept = list(Subscription.objects.select_for_update(of=("self",), no_key=True).filter(channel=Channel.CHAT).order_by("pk"))
    for subscription in kept:
        subscription.chat_url_encrypted = resealed(bytes(subscription.chat_url_encrypted))
        subscription.save(update_fields=["chat_url_encrypted"])
    if kept:
        record_act("encrypt_subscriptions", actor=actor, now=now, reason=f"{len(kept)} encrypted anew.")
    return len(kept)


def _locked(subscription: Subscription, access: Access) -> Subscription:
    """The person's own subscription as it is now, locked until the transaction ends. Raises NotFound."""
    rows = own_subscriptions(access).select_for_update(of=("self",), no_key=True)
    found = rows.filter(pk=subscription.pk).first()
    if found is None:
        raise NotFound("There is no such subscription.")
    return found


def _require_valid(access: Access, wish: Wish) -> None:
    if not wish.event_types or any(name not in EventType.values for name in wish.event_types):
        raise InvalidRequest("Choose at least one of the events.", param="event_types")
    if wish.frequency not in Frequency.values:
        raise InvalidRequest("Choose how often you are told.", param="frequency")
    if wish.projects is not None:
        seen = set(access.projects().filter(pk__in=[project.pk for project in wish.projects]).values_list("pk", flat=True))
        if not wish.projects or any(project.pk not in seen for project in wish.projects):
            raise InvalidRequest("Choose at least one of your projects.", param="projects")


def _keep_url(subscription: Subscription, url: str) -> None:
    url = require_receiver(url.strip(), param="chat_url")
    subscription.chat_url_encrypted = sealed_credential(url)
    subscription.chat_host = (urlsplit(url).hostname or "")[:CHAT_HOST_CHARS]


def _grant(subscription: Subscription, wish: Wish) -> None:
    subscription.event_types = [each.value for each in EventType if each.value in wish.event_types]
    subscription.frequency = wish.frequency
    subscription.every_project = wish.projects is None


def _told(subscription: Subscription | None) -> Mapping[str, Any]:
    """The settings of a subscription, as records tell them."""
    if subscription is None:
        return dict.fromkeys(("channel", "event_types", "frequency", "projects"))
    projects = None if subscription.every_project else sorted(subscription.projects.values_list("slug", flat=True))
    return {
        "channel": subscription.channel,
        "event_types": subscription.event_types,
        "frequency": subscription.frequency,
        "projects": projects,
    }


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    return plainly(**{name: (before[name], after[name]) for name in before})
