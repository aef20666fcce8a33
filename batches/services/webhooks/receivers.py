"""receivers: which URLs events may be sent to. A URL is checked when it is saved, and its addresses at each connection."""

import re
import socket
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from batches.models.webhook import WEBHOOK_URL_CHARS
from batches.rules.errors import InvalidRequest
from providers.transport.destinations import Guard, Network, Refused, tenants

_PRINTABLE = re.compile(r"[!-~]+")
UNENCRYPTED = "Without https nothing is sent to a public address."


def require_receiver(url: str, *, param: str) -> str:
    """The URL of a receiver, as it is given. Raises InvalidRequest, naming the parameter, for a URL that is never sent to."""
    if problem := _problem(url):
        raise InvalidRequest(problem, param=param)
    return url


def socket_to_receiver(info: tuple[Any, ...], *, encrypted: bool) -> socket.socket:
    """A socket for an address in the format of `getaddrinfo`. Raises Refused if nothing may be sent to the address."""
    if not encrypted and not _is_inside(str(info[4][0])):
        raise Refused(UNENCRYPTED)
    return _guard(*settings.TENANT_NETWORKS).socket(info)


def _problem(url: str) -> str | None:
    """The reason why a URL cannot be a receiver's, as a sentence; None if it can."""
    if not url or len(url) > WEBHOOK_URL_CHARS or not _PRINTABLE.fullmatch(url):
        return f"A URL has 1 to {WEBHOOK_URL_CHARS} visible ASCII characters, such as https://example.com/hooks."
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "It is not a URL."
    if parts.scheme not in {"http", "https"} or not host:
        return "The URL must start with https:// and name a host."
    if "@" in parts.netloc:
        return "The URL must not hold a user name or password. Deliveries are signed, so that the receiver knows the sender."
    if "#" in url:
        return "The URL must not hold a fragment: it would not be sent."
    if port == 0:
        return "The URL must name a port from 1 to 65535."
    if problem := _guard(*settings.TENANT_NETWORKS).problem(host):
        return f"The URL cannot be used. {problem}"
    if parts.scheme == "http" and not (settings.TENANT_NETWORKS and (_is_name(host) or _is_inside(host))):
        return "The URL must start with https://. Only receivers in the portal's own networks may do without."
    return None


@cache
def _guard(*networks: Network) -> Guard:
    return tenants(networks)


def _is_inside(address: str) -> bool:
    """Whether an address is in one of the networks that the portal's settings name."""
    return any(ip_address(address.partition("%")[0]) in network for network in settings.TENANT_NETWORKS)


def _is_name(host: str) -> bool:
    """Whether a host is no address. Its addresses are found when it is connected to."""
    try:
        ip_address(host)
    except ValueError:
        return True
    return False
