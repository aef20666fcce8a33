"""Where a connection may go: the one guard of every outgoing address.

Two guards stand here. `PROVIDERS` is for addresses that administrators of the portal give: a model server is often on this
machine, or in a private network. `tenants` is for those that anybody of a project gives: public addresses, and the networks
that the portal's settings name. Neither lets through what only a cloud's own machinery answers at.

An address is looked at twice. As it is written, when it is saved (`problem`): a host may be a number in disguise, or a name
that every cloud has. And when a socket is made (`socket`): there the address is a number, the very one that is connected to,
so that a name whose meaning changes between two look-ups gains nothing.

Where a proxy stands in between, the proxy's address is looked at in both ways, and the upstream's as it is written: it is the
proxy that looks the name up.
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

# What nobody has anything to send to. Clouds keep the credentials of a machine at many of these, for whoever asks from there.
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
_DOTS = re.compile(r"[\u3002\uff0e\uff61]")  # what browsers and resolvers take for a dot
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # as the last part of a host: then all of it is an address

NEVER = "It leads to where clouds keep the credentials of machines, or to no single machine: nothing is sent there."
NOT_PUBLIC = "It does not lead to a public address."


class Refused(OSError):
    """The guard lets no connection through to this address."""


class Guard:
    """Lets public addresses through, and those of some `networks`."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self._networks = tuple(networks)
        self._refusal = lru_cache(maxsize=1024)(self._refusal_of_text)

    def refusal(self, address: Address) -> str | None:
        """Why nothing is sent to an address, as a sentence; None when it may be."""
        meanings = list(_meanings(address))
        if any(meaning in network for meaning in (address, *meanings) for network in _NEVER):
            return NEVER
        return None if all(map(self._may_reach, meanings)) else NOT_PUBLIC

    def problem(self, host: str) -> str | None:
        """What is wrong with a host as it is written, as a sentence; None where only a look-up can tell."""
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
        """A socket for an address as `getaddrinfo` gives it, and for nothing else. Raises Refused."""
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
    """The guard of addresses that somebody of a project gives; `networks` are those that they may reach besides."""
    return Guard(networks)


def _meanings(address: Address) -> Iterator[Address]:
    """Where a packet to an address ends: the IPv4 addresses that an IPv6 address stands for; itself, where there are none."""
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
    """What keeps a text from being the base URL of a provider's upstream; None when it is one."""
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
