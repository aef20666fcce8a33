"""The address of a client: the one place that decides it, for counting, records and pages."""

from ipaddress import IPv6Network, ip_address

from allauth.core.internal.httpkit import clean_client_ip
from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "0.0.0.0"  # noqa: S104 - where a server names no address, such as on a Unix socket


def client_address(request: HttpRequest) -> str:
    """The address of the client; behind a proxy that is trusted, the last one that the proxy names."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.TRUST_PROXY else ""
    said = (forwarded.rpartition(",")[2], request.META.get("REMOTE_ADDR", ""))
    return next(filter(None, map(clean_client_ip, said)), UNKNOWN)


def client_network(request: HttpRequest) -> str:
    """The address as it is counted. A household gets a network of 64 bits of version 6, so the network counts."""
    address = ip_address(client_address(request))
    return str(address) if address.version == 4 else str(IPv6Network((int(address), 64), strict=False))
