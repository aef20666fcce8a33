"""Destinations: the only place that decides to which addresses the portal may connect.

There are two guards. `PROVIDERS` is for addresses that administrators of the portal give. It allows private addresses, since
a model server is often on this machine or in a private network. `tenants` is for addresses that members of a project give.
It allows public addresses, and the networks that the portal's settings name. Both refuse the addresses of a cloud's own
machinery, such as metadata servers.

A guard checks an address twice. The first check is of the text of a host, when it is saved (`problem`): a host may be a
number in disguise, or a metadata server's name. The second check is of the numeric address, when a socket is made
(`socket`). It checks the very address that is connected to, so a name that changes its address in between gains nothing.

With a proxy in between, the proxy's address is checked in both ways. Of the upstream only the text is checked, since the
proxy looks the name up.
"""

import re
import socket
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Networks that no request may go to. At many of these addresses, a cloud gives a machine's credentials to any of its processes.
_NEVER: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this machine, in another spelling
            "169.254.0.0/16",  # link-local; metadata of most clouds
            "100.100.100.200/32",  # metadata of Alibaba Cloud
            "168.63.129.16/32",  # Azure's wire server
            "192.0.0.192/32",  # metadata of Oracle Cloud
            "224.0.0.0/4",  # multicast
            "255.255.255.255/32",
            "::/128",
            "fe80::/10",  # link-local
            "fd00:ec2::/32",  # metadata of AWS
            "fd20:ce::254/128",  # of Google Cloud
            "fd00:42::42/128",  # of Scaleway
            "ff00::/8",  # multicast
        ),
    )
)
_METADATA_NAMES = frozenset(
    {
        *("metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.internal", "metadata.tencentyun.com"),
        *("metadata.platformequinix.com", "instance-data", "instance-data.ec2.internal"),
    }
)
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")
_ISATAP = frozenset({0x5EFE, 0x0200_5EFE})
_DOTS = re.compile(r"[\u3002\uff0e\uff61]")  # characters that browsers and resolvers read as a dot
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # if the last part of a host is a number, the whole host is an address

NEVER = "It leads to where clouds keep the credentials of machines, or to no single machine: nothing is sent there."
NOT_PUBLIC = "It does not lead to a public address."


class Refused(OSError):
    """The guard lets no connection through to this address."""


class Guard:
    """A guard that allows connections to public addresses, and to the addresses of `networks`."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self._networks = tuple(networks)
        self._refusal = lru_cache(maxsize=1024)(self._refusal_of_text)

    def refusal(self, address: Address) -> str | None:
        """The reason why the portal may not connect to an address, as a sentence; None if it may."""
        meanings = list(_meanings(address))
        if any(meaning in network for meaning in (address, *meanings) for network in _NEVER):
            return NEVER
        return None if all(map(self._may_reach, meanings)) else NOT_PUBLIC

    def problem(self, host: str) -> str | None:
        """The problem of a host as it is written, as a sentence; None if it has none that shows without a look-up."""
        name = _DOTS.sub(".", unicodedata.normalize("NFKC", host)).strip("[]").rstrip(".").lower()
        try:
            return self.refusal(ip_address(name))
        except ValueError:
            pass
        if _NUMBER.fullmatch(name.rpartition(".")[2]):
            return "An address is written as four decimal numbers with dots between them."
        if name in _METADATA_NAMES:
            return NEVER
        if (name == "localhost" or name.endswith(".localhost")) and not self._may_reach(IPv4Address("127.0.0.1")):
            return NOT_PUBLIC
        return None

    def socket(self, info: tuple[Any, ...]) -> "socket.socket":
        """A socket for an address in the format of `getaddrinfo`. Raises Refused if the guard does not allow the address."""
        family, kind, protocol, _, address = info
        if problem := self._refusal(str(address[0])):
            raise Refused(problem)
        return socket.socket(family, kind, protocol)

    def _may_reach(self, address: Address) -> bool:
        is_public = address.is_global and not address.is_multicast
        return is_public or any(address in network for network in self._networks)

    def _refusal_of_text(self, text: str) -> str | None:
        return self.refusal(ip_address(text))


PROVIDERS = Guard([ip_network("0.0.0.0/0"), ip_network("::/0")])


def tenants(networks: Sequence[Network]) -> Guard:
    """The guard for addresses that members of a project give. Besides public addresses it allows `networks`."""
    return Guard(networks)


def _meanings(address: Address) -> Iterator[Address]:
    """The addresses that a packet to `address` may reach: the IPv4 addresses inside an IPv6 address, else the address itself."""
    inner: list[Address] = list(_embedded(address)) if isinstance(address, IPv6Address) else []
    yield from inner or [address]


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    low = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif any(address in network for network in _NAT64) or (address in _COMPATIBLE and int(address) > 1):
        yield low
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
    elif (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield low


def base_url_problem(base_url: str) -> str | None:
    """The reason why a text cannot be the base URL of a provider, as a sentence; None if it can."""
    if not base_url:
        return "A base URL is needed, such as https://api.example.com/v1."
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "The base URL is not a URL."
    if parts.scheme not in {"http", "https"} or not host:
        return "The base URL must start with http:// or https:// and name a host."
    if "@" in parts.netloc:
        return "The base URL must not hold a user name or password; give the credential instead."
    if parts.query or parts.fragment:
        return "The base URL must not hold a query or a fragment."
    problem = PROVIDERS.problem(host)
    return f"The base URL cannot be used. {problem}" if problem else None
