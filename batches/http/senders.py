"""Who sends a request: the address that is counted, and what is found out about the sender while the request is answered.

The web server needs both. It reads a small body before it knows anything; more of a body is read only of a sender who is
known, so that no thread waits for the bytes of a stranger, and no stranger fills the disk.
"""

from collections.abc import MutableMapping
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from django.conf import settings

SMALL_BODY = 64 * 1024  # bytes that anybody may send
HOUSEHOLD = 64  # bits of an IPv6 address that name a customer of a network, who has all addresses behind them

_KNOWN = "batchyard.known"
_PROJECT = "batchyard.project"
_DELAY = "batchyard.delay"


def vouch(environ: MutableMapping[str, Any], *, project: object = None) -> None:
    """The sender of this request is known: somebody who is signed in, or the project whose key was shown."""
    environ[_KNOWN] = True
    environ[_PROJECT] = project


def is_known(environ: MutableMapping[str, Any]) -> bool:
    """Whether somebody has vouched for the sender of this request."""
    return _KNOWN in environ


def project_of(environ: MutableMapping[str, Any]) -> Any:
    """The project whose key the sender has shown, if any."""
    return environ.get(_PROJECT)


def answer_late(environ: MutableMapping[str, Any], *, seconds: float) -> None:
    """Hold the answer to this request back. The web server waits, without a thread."""
    environ[_DELAY] = seconds


def delay_of(environ: MutableMapping[str, Any]) -> float:
    """The seconds for which the answer is held back."""
    return float(environ.get(_DELAY, 0.0))


def client_address(peer: str, forwarded_for: str) -> str:
    """The client's address: that of the connection or, behind a proxy that is trusted, the last one which that has added."""
    if not settings.TRUST_PROXY:
        return peer
    return forwarded_for.rpartition(",")[2].strip() or peer


def counted_as(address: str) -> str:
    """What is counted: the address itself, and of an IPv6 address its /64."""
    if ":" not in address:
        return address
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Network((int(found) >> HOUSEHOLD << HOUSEHOLD, HOUSEHOLD)))
