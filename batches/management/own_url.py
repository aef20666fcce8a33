"""The address at which this machine reaches the portal."""

from django.conf import settings

EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not bound


def own_url() -> str:
    """The portal's public address, or else the one that it listens at, without a slash at the end."""
    host = "localhost" if settings.HOST in EVERYWHERE else settings.HOST
    return settings.PUBLIC_URL or f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"
