"""The address that a request for a page comes from: what is counted and recorded of it. The rule is that of `senders`."""

from allauth.core.internal.httpkit import clean_client_ip
from django.http import HttpRequest

from batches.http import senders

UNKNOWN = "0.0.0.0"  # noqa: S104 - where a server names no address, such as on a Unix socket


def client_address(request: HttpRequest) -> str:
    """The address of the client; the connection's where a proxy that is trusted names none that is one."""
    peer = request.META.get("REMOTE_ADDR", "")
    found = senders.client_address(peer, request.META.get("HTTP_X_FORWARDED_FOR", ""))
    return next(filter(None, map(clean_client_ip, (found, peer))), UNKNOWN)


def client_network(request: HttpRequest) -> str:
    """What counts as one address."""
    return senders.counted_as(client_address(request))
