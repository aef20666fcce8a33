"""The address of a client: the one place that decides where a request comes from, for whatever is counted by that."""

from ipaddress import IPv6Address, IPv6Network, ip_address

from django.conf import settings

HOUSEHOLD = 64  # bits of an IPv6 address that name a customer of a network: anybody has all addresses behind them


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
