"""The address of a person's request, for records and for counting sign-ins. `batches.http.callers.senders` finds it."""

from allauth.core.internal.httpkit import clean_client_ip
from django.http import HttpRequest

from batches.http.callers import senders

UNKNOWN = "0.0.0.0"  # noqa: S104 - used if the server names no address, as on a Unix socket


def client_address(request: HttpRequest) -> str:
    """The address of the client. If a trusted proxy names no valid address, the address of the connection is used."""
    peer = request.META.get("REMOTE_ADDR", "")
    found = senders.client_address(peer, request.META.get("HTTP_X_FORWARDED_FOR", ""))
    return next(filter(None, map(clean_client_ip, (found, peer))), UNKNOWN)


def client_network(request: HttpRequest) -> str:
    """The network of the client, whose requests are counted together: an IPv4 address, or an IPv6 /64 network."""
    return senders.counted_as(client_address(request))
