"""Senders of requests: the address that a request counts for, and the facts that views learn about its sender.

The web server uses both. It reads a small body from any sender. It reads a larger body only if the sender is known, so that
no thread waits for the bytes of a stranger, and no stranger fills the disk.
"""

from collections.abc import MutableMapping
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from django.conf import settings

SMALL_BODY = 64 * 1024  # any sender may send a body of so many bytes
HOUSEHOLD = 64  # the first bits of an IPv6 address, which name one customer of a network; the customer has all their addresses

_KNOWN = "batchyard.known"
_PROJECT = "batchyard.project"
_DELAY = "batchyard.delay"


def vouch(environ: MutableMapping[str, Any], *, project: object = None) -> None:
    """Note that the sender of a request is known: a person who is signed in, or the project of an accepted key."""
    environ[_KNOWN] = True
    environ[_PROJECT] = project


def is_known(environ: MutableMapping[str, Any]) -> bool:
    """Whether `vouch` was called for the sender of a request."""
    return _KNOWN in environ


def project_of(environ: MutableMapping[str, Any]) -> Any:
    """The project of the key that the sender has shown; None if there is none."""
    return environ.get(_PROJECT)


def answer_late(environ: MutableMapping[str, Any], *, seconds: float) -> None:
    """Delay the answer to a request. The web server waits without a thread."""
    environ[_DELAY] = seconds


def delay_of(environ: MutableMapping[str, Any]) -> float:
    """The seconds by which the answer is delayed."""
    return float(environ.get(_DELAY, 0.0))


def client_address(peer: str, forwarded_for: str) -> str:
    """The client's address: the address of the connection, or, behind a trusted proxy, the address that the proxy has added."""
    if not settings.TRUST_PROXY:
        return peer
    return forwarded_for.rpartition(",")[2].strip() or peer


def counted_as(address: str) -> str:
    """The form in which an address is counted: an IPv4 address as it is, an IPv6 address as its /64 network."""
    if ":" not in address:
        return address
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Network((int(found) >> HOUSEHOLD << HOUSEHOLD, HOUSEHOLD)))
