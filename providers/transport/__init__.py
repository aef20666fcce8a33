"""HTTP to upstreams: one request, one reply, and no hidden retries, redirects or cookies.

`open_transport` chooses between the two clients. Start with `interface`, the contract of both.
"""

from collections.abc import Mapping

from providers.transport.destinations import base_url_problem
from providers.transport.fast import FastTransport
from providers.transport.full import FullTransport
from providers.transport.interface import CONSTANT_HEADERS, MAX_ERROR_BYTES, Reply, Transport
from providers.transport.streams import Streams
from providers.transport.way import Client, WayOptions, way_to

__all__ = [
    "CONSTANT_HEADERS",
    "MAX_ERROR_BYTES",
    "Reply",
    "Streams",
    "Transport",
    "WayOptions",
    "base_url_problem",
    "open_streams",
    "open_transport",
    "way_to",
]


def open_transport(
    base_url: str, *, options: WayOptions, environment: Mapping[str, str], headers: Mapping[str, str], max_bytes: int
) -> Transport:
    """The client that the way to this upstream needs. `headers` go with every request. Raises CredentialUnavailable."""
    way = way_to(base_url, options, environment)
    if way.client is Client.FAST:
        return FastTransport(headers=headers, max_bytes=max_bytes)
    return FullTransport(way, headers=headers, max_bytes=max_bytes)


def open_streams(base_url: str, *, options: WayOptions, environment: Mapping[str, str], headers: Mapping[str, str]) -> Streams:
    """The client for large bodies to and from this upstream. Raises CredentialUnavailable."""
    return Streams(way_to(base_url, options, environment), headers=headers)
