"""`/metrics`: what the portal counts and measures, in the text format of Prometheus or OpenMetrics, as the reader wants it.

A reader shows METRICS_TOKEN, or is in one of METRICS_NETWORKS. A tenant's key opens nothing here. Everybody else gets a 401 if
there is a token; without one, the path is unknown to them like any other.
"""

import hmac
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address

from django.conf import settings
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder

from batches.http.callers.senders import client_address
from batches.services.insight.metrics.collect import collect
from batches.services.telemetry.hand_in import hand_in_quietly

PATH = "/metrics"
_BY_A_PROXY = ("x-forwarded-for", "forwarded", "x-real-ip", "via")  # headers that tell of a proxy in between


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a reader."""

    status: HTTPStatus
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def may_read(headers: Mapping[str, str], *, peer: str) -> bool:
    """Whether the sender may read. `headers` have lower-case names; `peer` is the address of the connection."""
    return _shows_token(headers) or _is_near(headers, peer=peer)


def refusal() -> Answer | None:
    """The answer to those who may not read. None if they must not learn that there is something."""
    if not settings.METRICS_TOKEN:
        return None
    challenge = {"www-authenticate": 'Bearer realm="metrics"', "content-type": "text/plain; charset=utf-8"}
    return Answer(HTTPStatus.UNAUTHORIZED, b"Metrics need the token of METRICS_TOKEN.", challenge)


def page(method: str, *, accept: str) -> Answer:
    """The answer to those who may read. It may ask the database."""
    if method not in ("GET", "HEAD"):
        return Answer(HTTPStatus.METHOD_NOT_ALLOWED, headers={"allow": "GET, HEAD"})
    encode, content_type = choose_encoder(accept)
    return Answer(HTTPStatus.OK, encode(_collected), {"content-type": content_type, "cache-control": "no-store"})


def _shows_token(headers: Mapping[str, str]) -> bool:
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    token = settings.METRICS_TOKEN
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode())


def _is_near(headers: Mapping[str, str], *, peer: str) -> bool:
    """Whether the reader is in one of METRICS_NETWORKS.

    Behind a proxy that is not trusted, everybody has the address of the proxy, so that no address counts.
    """
    if not settings.TRUST_PROXY and any(name in headers for name in _BY_A_PROXY):
        return False
    try:
        address = ip_address(client_address(peer, headers.get("x-forwarded-for", "")).partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in settings.METRICS_NETWORKS)


class Collected:
    """The metrics as they were collected last, for METRICS_CACHE_SECONDS. One thread collects, and others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._metrics: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        """The metrics, collected anew if they are too old."""
        with self._lock:
            if time.monotonic() - self._at >= settings.METRICS_CACHE_SECONDS:
                self._metrics = collect(now=timezone.now())
                self._at = time.monotonic()
            return self._metrics

    def forget(self) -> None:
        """Let the next reader have them anew."""
        with self._lock:
            self._at = float("-inf")


_collected = Collected()


def page_of_thread(method: str, *, accept: str) -> Answer:
    """`page` for a thread of its own, which gives its database connection back."""
    try:
        return page(method, accept=accept)
    finally:
        close_old_connections()


def tell() -> None:
    """Tell the database what this process has counted, in such a thread."""
    hand_in_quietly(now=timezone.now())
    close_old_connections()


class Metrics:
    """A middleware: answers readers of metrics before all others, since they use a numeric address and plain HTTP.

    The portal's own web server answers them earlier, in `config.front.metrics`.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info == PATH:
            headers = {name.lower(): value for name, value in request.headers.items()}
            readable = may_read(headers, peer=request.META.get("REMOTE_ADDR", ""))
            found = page(str(request.method), accept=headers.get("accept", "")) if readable else refusal()
            if found is not None:
                return HttpResponse(found.content, status=found.status, headers=dict(found.headers))
        return self.get_response(request)
