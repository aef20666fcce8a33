"""The address that a request comes from: decided here for whatever counts, records or shows addresses."""

from allauth.core.internal.httpkit import clean_client_ip
from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "0.0.0.0"  # noqa: S104 - where a server names no address, such as on a Unix socket


def client_address(request: HttpRequest) -> str:
    """The address of the client; behind a proxy that is trusted, the last one that the proxy names."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.TRUST_PROXY else ""
    said = (forwarded.rpartition(",")[2], request.META.get("REMOTE_ADDR", ""))
    return next(filter(None, map(clean_client_ip, said)), UNKNOWN)
