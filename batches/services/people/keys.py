"""keys: open a project; issue, change and revoke its API keys. Every act is recorded, and no record has a key's plain text."""

import ipaddress
import re
import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from batches.models import ApiKey, KeyState, Project, Scope
from batches.rules.actors import Actor
from batches.rules.errors import Conflict, InvalidRequest
from batches.services.core.audit import changed, record_act, stored

_SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
SLUG_CHARS = 64
NAME_CHARS = 100
MOST_NETWORKS = 50


class KeyRevoked(Conflict):
    """The key was revoked before. It stays as it is."""

    code = "key_revoked"


def open_project(slug: str, *, actor: Actor, now: datetime) -> Project:
    """The project with this slug; a new one if there is none. Raises InvalidRequest for a text that is no slug."""
    if slug.isascii() and slug.isprintable() and (known := Project.objects.filter(slug=slug).first()):
        return known
    if not _SLUG.fullmatch(slug) or len(slug) > SLUG_CHARS:
        raise InvalidRequest(
            f"A project's slug is 1 to {SLUG_CHARS} lower-case letters and digits, in words joined by hyphens or underscores.",
            param="project",
        )
    project, is_new = Project.objects.get_or_create(slug=slug)
    if is_new:
        record_act("add_project", actor=actor, now=now, target=project, project=project)
    return project


def issue_key(
    project_slug: str,
    *,
    name: str,
    actor: Actor,
    now: datetime,
    scopes: Iterable[str] = Scope.values,
    expires_at: datetime | None = None,
    addresses: str = "",
    id: uuid.UUID | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its plain text, which is shown only once. The project is made if there is none. Raises InvalidRequest.

    With an `id` from the form, a form that is sent twice makes one key: the second call raises IntegrityError.
    """
    chosen, networks = checked_scopes(scopes), checked_addresses(addresses)
    require_issuable(name, now=now, expires_at=expires_at)
    with transaction.atomic():
        project = open_project(project_slug, actor=actor, now=now)
        key, plain = ApiKey.issue(
            project=project,
            name=name.strip(),
            scopes=chosen,
            expires_at=expires_at,
            addresses=networks,
            created_by=actor.name,
            id=id,
        )
        terms = f"scopes: {key.scopes}; expires: {_moment(expires_at)}; addresses: {networks or 'any'}"
        record_act("issue_key", actor=actor, now=now, target=key, project=project, reason=terms)
        return key, plain


@transaction.atomic
def change_key(key: ApiKey, *, name: str, expires_at: datetime | None, addresses: str, actor: Actor, now: datetime) -> ApiKey:
    """Change the name, the expiry and the addresses of a key. The record has the old and the new values.

    The scopes of a key never change. Raises InvalidRequest, and KeyRevoked.
    """
    networks = checked_addresses(addresses)
    key = ApiKey.objects.select_for_update(of=("self",)).select_related("project").get(pk=key.pk)
    if key.state(now=now) is KeyState.REVOKED:
        raise KeyRevoked("The key was revoked: it cannot be changed any more.")
    require_issuable(name, now=now, expires_at=None if expires_at == key.expires_at else expires_at)
    before = stored(key)
    key.name, key.expires_at, key.addresses = name.strip(), expires_at, networks
    if changes := changed(before, key):
        key.save(update_fields=["name", "expires_at", "addresses"])
        record_act("change_key", actor=actor, now=now, target=key, project=key.project, changes=changes)
    return key


@transaction.atomic
def revoke_key(key: ApiKey, *, actor: Actor, now: datetime, reason: str = "") -> bool:
    """Refuse this key from now on. False if it was revoked before; then it stays as it is.

    Its running batches go on. See `revoke` for pausing or cancelling them.
    """
    if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
        return False
    record_act("revoke_key", actor=actor, now=now, target=key, project=key.project, reason=reason)
    return True


def require_issuable(name: str, *, now: datetime, expires_at: datetime | None) -> None:
    """Raise InvalidRequest, naming the parameter, for an unusable name or expiry of a key."""
    if not name.strip() or not name.isprintable() or len(name) > NAME_CHARS:
        raise InvalidRequest(f"A key's name is 1 to {NAME_CHARS} printable characters.", param="name")
    if expires_at is not None and expires_at <= now:
        raise InvalidRequest("A key cannot expire before it is made, or in the past.", param="expires_at")


def checked_scopes(words: Iterable[str]) -> list[str]:
    """These scopes in their usual order. Raises InvalidRequest for no scope, and for an unknown one."""
    asked = set(words)
    if not asked or asked - set(Scope.values):
        raise InvalidRequest(f"A key has at least one of the scopes {', '.join(Scope.values)}.", param="scopes")
    return [scope.value for scope in Scope if scope.value in asked]


def checked_addresses(text: str) -> str:
    """Networks as they are stored: each once, separated by spaces. A single address becomes a network.

    The text may have commas or white space between them. Raises InvalidRequest for a word that is no address and no network.
    """
    networks: list[str] = []
    for word in text.replace(",", " ").split():
        try:
            network = str(ipaddress.ip_network(word))
        except ValueError as error:
            raise InvalidRequest(_why_no_network(word, error), param="addresses") from None
        if network not in networks:
            networks.append(network)
    if len(networks) > MOST_NETWORKS:
        raise InvalidRequest(f"A key may have {MOST_NETWORKS} addresses and networks.", param="addresses")
    return " ".join(networks)


def _why_no_network(word: str, error: ValueError) -> str:
    shown = word[:50]
    if "host bits" not in str(error):
        return f"{shown!r} is neither an address nor a network such as 192.0.2.0/24 or 2001:db8::/32."
    return f"{shown!r} is inside the network {ipaddress.ip_network(word, strict=False)}: name that, or the single address."


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}" if moment else "never"
