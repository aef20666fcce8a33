"""endpoints: add, change and remove the receivers of a project's events, and replace their secrets. Every act is recorded.

Callers pass an endpoint that belongs to a project in which they may do this.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from batches.models import DeliveryStatus, EventType, LegalHold, Project, WebhookDelivery, WebhookEndpoint
from batches.models.webhook import WEBHOOK_NAME_CHARS, WEBHOOK_TEXT_CHARS, ends
from batches.rules.actors import Actor
from batches.rules.errors import Conflict, InvalidRequest, NotFound
from batches.services.core import wake
from batches.services.core.audit import hidden, plainly, record_act
from batches.services.retention.holds import require_not_held
from batches.services.webhooks.receivers import require_receiver
from batches.services.webhooks.signing import new_secret
from providers.secrets.secrecy import resealed, sealed_credential

EVENT_TYPES: Mapping[str, str] = {event_type.value: str(event_type.label) for event_type in EventType}
CALLBACKS = "Callback URLs of batches"
CHANGEABLE = ("name", "url", "event_types", "enabled")


@transaction.atomic
def add(
    project: Project,
    *,
    name: str,
    url: str,
    event_types: Sequence[str],
    actor: Actor,
    now: datetime,
    id: uuid.UUID | None = None,
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret, which is shown only once. Raises InvalidRequest, and Conflict if there are too many.

    A form that may be sent twice gives the `id`; then the second time raises IntegrityError.
    """
    settings_of = _checked({"name": name, "url": url, "event_types": event_types})
    # The endpoints of a project are counted one after the other.
    Project.objects.select_for_update(of=("self",), no_key=True).get(pk=project.pk)
    if WebhookEndpoint.objects.filter(project=project).exclude(url="").count() >= settings.WEBHOOK_ENDPOINTS_PER_PROJECT:
        raise Conflict(f"A project may have {settings.WEBHOOK_ENDPOINTS_PER_PROJECT} webhook endpoints: remove one first.")
    secret = new_secret()
    made = _made(secret, actor=actor, now=now) | ({"id": id} if id else {})
    endpoint = WebhookEndpoint.objects.create(project=project, **settings_of, **made)
    changes = plainly(**{setting: (None, value) for setting, value in settings_of.items()})
    record_act("add_webhook", actor=actor, now=now, target=endpoint, project=project, changes=changes)
    return endpoint, secret


@transaction.atomic
def change(endpoint: WebhookEndpoint, *, settings: Mapping[str, Any], actor: Actor, now: datetime) -> WebhookEndpoint:
    """Change some of the name, url, event_types and enabled of an endpoint. What stays the same leaves no record.

    Once it is enabled again, the deliveries that waited are sent. Raises InvalidRequest, NotFound for an endpoint that was
    removed meanwhile, and Conflict for the endpoint of callback URLs, which can only be enabled and disabled.
    """
    checked = _checked(settings)
    endpoint = _locked(endpoint)
    if endpoint.is_callbacks and checked.keys() - {"enabled"}:
        raise Conflict("The endpoint of callback URLs can only be enabled and disabled, and have its secret rotated.")
    moves = {name: (getattr(endpoint, name), value) for name, value in checked.items() if getattr(endpoint, name) != value}
    if not moves:
        return endpoint
    for name, (_, value) in moves.items():
        setattr(endpoint, name, value)
    endpoint.updated_at = now
    if "enabled" in moves:
        endpoint.failing_since = None
        _enable(endpoint, now=now) if endpoint.enabled else _disable(endpoint, reason=f"{actor.name} disabled it.", now=now)
    endpoint.save()
    record_act("change_webhook", actor=actor, now=now, target=endpoint, project=endpoint.project, changes=plainly(**moves))
    return endpoint


@transaction.atomic
def rotate(
    endpoint: WebhookEndpoint, *, actor: Actor, now: datetime, overlap: timedelta | None = None
) -> tuple[WebhookEndpoint, str]:
    """Give an endpoint a new secret, which is shown only once. The former one signs beside it for `overlap`.

    Without `overlap`, that is WEBHOOK_OVERLAP_HOURS; an overlap of 0 forgets the former secret at once. Raises NotFound for an
    endpoint that was removed meanwhile.
    """
    endpoint, secret = _locked(endpoint), new_secret()
    overlap = timedelta(hours=settings.WEBHOOK_OVERLAP_HOURS) if overlap is None else overlap
    endpoint.former_secret_encrypted = endpoint.secret_encrypted if overlap else b""
    endpoint.former_until = now + overlap if overlap else None
    endpoint.secret_encrypted, endpoint.secret_hint = sealed_credential(secret), _hint(secret)
    endpoint.updated_at = now
    endpoint.save()
    record_act("rotate_webhook", actor=actor, now=now, target=endpoint, project=endpoint.project, changes=hidden(["secret"]))
    return endpoint, secret


@transaction.atomic
def remove(endpoint: WebhookEndpoint, *, actor: Actor, now: datetime) -> None:
    """Remove an endpoint with its deliveries, whether they were sent or not.

    Raises NotFound, Conflict for callback URLs, and UnderHold if its project or a batch of its deliveries is under legal hold.
    """
    endpoint = _locked(endpoint)
    if endpoint.is_callbacks:
        raise Conflict("The endpoint of callback URLs cannot be removed: disable it instead.")
    held = LegalHold.objects.active().filter(project=endpoint.project, batch__isnull=False).values("batch")
    told = WebhookDelivery.objects.filter(endpoint=endpoint, batch__in=held).values_list("batch", flat=True)
    require_not_held(endpoint.project, batches=told.order_by().distinct())
    changes = plainly(**{name: (getattr(endpoint, name), None) for name in CHANGEABLE})
    record_act("remove_webhook", actor=actor, now=now, target=endpoint, project=endpoint.project, changes=changes)
    endpoint.delete()


@transaction.atomic
def callbacks_of(project: Project, *, actor: Actor, now: datetime) -> WebhookEndpoint:
    """The endpoint that stands for the `callback_url`s of a project's batches. It is made when it is first asked for.

    Its secret is shown when it is rotated.
    """
    known = WebhookEndpoint.objects.filter(project=project, url="").first()
    if known is not None:
        return known
    made = {"name": CALLBACKS, **_made(new_secret(), actor=actor, now=now)}
    endpoint, is_new = WebhookEndpoint.objects.get_or_create(project=project, url="", defaults=made)
    if is_new:
        record_act("add_webhook", actor=actor, now=now, target=endpoint, project=project, reason=f"{CALLBACKS}.")
    return endpoint


@transaction.atomic
def disable(endpoint: WebhookEndpoint, *, reason: str, actor: Actor, now: datetime) -> bool:
    """Send nothing more to an endpoint, for a reason that pages show. False if it is disabled already or is gone."""
    rows = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True).select_related("project")
    locked = rows.filter(pk=endpoint.pk, enabled=True).first()
    if locked is None:
        return False
    locked.enabled = False
    locked.updated_at = now
    _disable(locked, reason=reason, now=now)
    locked.save()
    record_act("disable_webhook", actor=actor, now=now, target=locked, project=locked.project, reason=reason)
    return True


@transaction.atomic
def encrypt_anew(*, actor: Actor, now: datetime) -> int:
    """Encrypt the secrets of all endpoints anew under the first of CREDENTIAL_KEYS. Return how many endpoints there are.

    Raises providers.base.CredentialUnavailable, and changes nothing, if one cannot be deciphered.
    """
    kept = list(WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True).order_by("pk"))
    for endpoint in kept:
        endpoint.secret_encrypted = resealed(bytes(endpoint.secret_encrypted))
        if endpoint.former_secret_encrypted:
            endpoint.former_secret_encrypted = resealed(bytes(endpoint.former_secret_encrypted))
        endpoint.save(update_fields=["secret_encrypted", "former_secret_encrypted"])
    if kept:
        record_act("encrypt_webhooks", actor=actor, now=now, reason=f"{len(kept)} encrypted anew.")
    return len(kept)


def _made(secret: str, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """The columns of a new endpoint besides what people set."""
    return {
        "secret_encrypted": sealed_credential(secret),
        "secret_hint": _hint(secret),
        "created_at": now,
        "updated_at": now,
        "created_by": actor.name[:200],
    }


def _hint(secret: str) -> str:
    return secret[-4:]


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """The endpoint as it is now, locked until the transaction ends. Raises NotFound."""
    rows = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True).select_related("project")
    found = rows.filter(pk=endpoint.pk).first()
    if found is None:
        raise NotFound("There is no such webhook endpoint.")
    return found


def _enable(endpoint: WebhookEndpoint, *, now: datetime) -> None:
    endpoint.disabled_at, endpoint.disabled_reason = None, ""
    if _waiting(endpoint).filter(due_at=None).update(due_at=now):
        wake.notify()


def _disable(endpoint: WebhookEndpoint, *, reason: str, now: datetime) -> None:
    endpoint.disabled_at, endpoint.disabled_reason = now, reason[:WEBHOOK_TEXT_CHARS]
    _waiting(endpoint).update(due_at=None)


def _waiting(endpoint: WebhookEndpoint) -> Any:
    return WebhookDelivery.objects.filter(endpoint=endpoint, status=DeliveryStatus.WAITING)


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of an endpoint as they are stored. Raises InvalidRequest, naming the parameter."""
    if unknown := sorted(given.keys() - set(CHANGEABLE)):
        raise InvalidRequest(f"A webhook endpoint has no {unknown[0]}.", param=unknown[0])
    return {name: _CHECKS[name](value) for name, value in given.items()}


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or len(name.strip()) > WEBHOOK_NAME_CHARS or not name.isprintable():
        raise InvalidRequest(f"A name has at most {WEBHOOK_NAME_CHARS} printable characters.", param="name")
    return name.strip()


def _checked_url(url: Any) -> str:
    return require_receiver(url.strip() if isinstance(url, str) else "", param="url")


def _checked_types(types: Any) -> list[str]:
    """The types in their usual order, each once. An empty list stands for the four ends of a batch."""
    if isinstance(types, str) or not isinstance(types, Sequence):
        raise InvalidRequest("Event types are a list of names.", param="event_types")
    if unknown := [name for name in types if name not in EventType.values]:
        raise InvalidRequest(
            f"There is no event type {str(unknown[0])[:50]!r}; there are {', '.join(EventType.values)}.", param="event_types"
        )
    return [event_type.value for event_type in EventType if event_type.value in types] or ends()


def _checked_enabled(enabled: Any) -> bool:
    if not isinstance(enabled, bool):
        raise InvalidRequest("An endpoint is enabled or not: true or false.", param="enabled")
    return enabled


_CHECKS = {"name": _checked_name, "url": _checked_url, "event_types": _checked_types, "enabled": _checked_enabled}
