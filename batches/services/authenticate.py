"""authenticate: from a bearer key to the API key's row."""

from datetime import datetime, timedelta

from batches.errors import NotAuthenticated
from batches.models import ApiKey
from batches.models.api_key import PREFIX_CHARS

USE_IS_NOTED_EVERY = timedelta(minutes=1)


def authenticate(plain: str, *, now: datetime) -> ApiKey:
    """The usable key with this plain text, its project loaded. Raises NotAuthenticated, the same for every reason."""
    prefix = plain[:PREFIX_CHARS]
    looks_like_one = prefix.isascii() and prefix.isprintable()  # a database refuses some of what is not
    key = ApiKey.objects.select_related("project").filter(prefix=prefix).first() if looks_like_one else None
    if key is None or not key.matches(plain) or not key.is_usable(now=now):
        raise NotAuthenticated("Incorrect API key provided.")
    if key.last_used_at is None or key.last_used_at < now - USE_IS_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key
