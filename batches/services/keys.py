"""keys: open a project, issue a key of it, revoke a key."""

import re
from datetime import datetime

from django.db import transaction

from batches.actors import Actor
from batches.errors import InvalidRequest
from batches.models import ApiKey, Project
from batches.services.audit import record_act

_SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
SLUG_CHARS = 64
NAME_CHARS = 100


def open_project(slug: str) -> Project:
    """The project with this slug, made if there is none. Raises InvalidRequest for what is no slug."""
    if slug.isascii() and slug.isprintable() and (known := Project.objects.filter(slug=slug).first()):
        return known
    if not _SLUG.fullmatch(slug) or len(slug) > SLUG_CHARS:
        raise InvalidRequest(
            f"A project's slug is 1 to {SLUG_CHARS} lower-case letters and digits, in words joined by hyphens or underscores.",
            param="project",
        )
    return Project.objects.get_or_create(slug=slug)[0]


def issue_key(
    project_slug: str, *, name: str, actor: Actor, now: datetime, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key, its project made if need be, and its plain text, which cannot be had again. Raises InvalidRequest."""
    require_issuable(name, now=now, expires_at=expires_at)
    with transaction.atomic():
        project = open_project(project_slug)
        key, plain = ApiKey.issue(project=project, name=name.strip(), expires_at=expires_at)
        record_act("issue_key", actor=actor, now=now, target=key, project=project)
        return key, plain


def require_issuable(name: str, *, now: datetime, expires_at: datetime | None) -> None:
    """Raise InvalidRequest, naming the parameter, for what no key can be."""
    if not name.strip() or not name.isprintable() or len(name) > NAME_CHARS:
        raise InvalidRequest(f"A key's name is 1 to {NAME_CHARS} printable characters.", param="name")
    if expires_at is not None and expires_at <= now:
        raise InvalidRequest("A key cannot expire before it is made.", param="expires_at")


@transaction.atomic
def revoke_key(key: ApiKey, *, actor: Actor, now: datetime, reason: str = "") -> bool:
    """Refuse this key from now on. False when it was revoked before, and then stays as it is."""
    if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
        return False
    record_act("revoke_key", actor=actor, now=now, target=key, project=key.project, reason=reason)
    return True
