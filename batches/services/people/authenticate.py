"""authenticate: find the row of an API key by its plain text."""

from datetime import datetime, timedelta

from django.db.models import Q

from batches.models import ApiKey, bulk
from batches.models.api_key import ADDRESS_CHARS, PREFIX_CHARS
from batches.rules.errors import NotAuthenticated

NOTED_EVERY = timedelta(minutes=1)


def authenticate(plain: str, *, now: datetime, address: str = "") -> ApiKey:
    """The usable key with this plain text, with its project. Raises NotAuthenticated with the same message for every reason.

    So a person who has found a key cannot learn whether it is right, was revoked, or is refused from this address of theirs.
    A refused address is noted for the people who administer the key.
    """
    prefix = plain[:PREFIX_CHARS]
    looks_like_one = prefix.isascii() and prefix.isprintable()  # databases refuse some other characters
    key = ApiKey.objects.select_related("project").filter(prefix=prefix).first() if looks_like_one else None
    if key is None or not key.matches(plain) or not key.is_usable(now=now):
        raise NotAuthenticated("Incorrect API key provided.")
    if not key.is_allowed_from(address):
        _note(key, "refused_at", now=now, refused_address=address[:ADDRESS_CHARS])
        raise NotAuthenticated("Incorrect API key provided.")
    _note(key, "last_used_at", now=now)
    return key


def require_not_revoked(key: ApiKey) -> None:
    """Raise NotAuthenticated if a key was revoked after its call began. A call may take minutes to arrive."""
    if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).exists():
        raise NotAuthenticated("Incorrect API key provided.")


def _note(key: ApiKey, column: str, *, now: datetime, **more: object) -> None:
    """Note a time on a key: at most once a minute over all processes. If the row is locked, the note is left out."""
    latest, stale = getattr(key, column), now - NOTED_EVERY
    if latest is None or latest < stale:
        rows = ApiKey.objects.filter(Q(**{column: None}) | Q(**{f"{column}__lt": stale}), pk=key.pk)
        bulk.update_if_free(rows, **{column: now}, **more)
