"""Adapter `http`: writes each object to a REST endpoint, such as an accounting system's.

The payload is the body of the request, byte for byte. A provider may have these options, besides those of every adapter
that speaks HTTP (`providers.transport.way`):

* `method`: POST, PUT or PATCH;
* `path`: the path after the base URL to which records are written; `{model}` stands for the last part of the endpoint
  (`/{model}` makes `/invoices` of `/accounting/v1/invoices`);
* `headers`, `query`: more headers and parameters, the same for every request; a value may be a reference to a secret;
* `auth`: how the credential is sent: `bearer`, the name of a header that holds it, or `none`;
* `wrap`: put the payload under this key (`model` makes `{"model": {…}}`);
* `id_path`: the place of the new record's id in the answer (`data.id`, `items.0.id`);
* `idempotency_header`: the header by which the upstream recognises a repeated write;
* `endpoints`: the endpoints that the provider serves, if other than those of accounting.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec
from yarl import URL

from providers.base import ACCOUNTING_ENDPOINTS, Call, Check, Connection, Failure, Outcome
from providers.failures import Kind, kind_of_status
from providers.judgement import Secrets, judge_look, judge_write
from providers.online.json_api import auth_header, secrets_of, why_not
from providers.online.options import (
    check_endpoints,
    check_header_name,
    check_headers,
    check_query,
    headers_of,
    naming,
    plain,
    plain_secrets,
    read_options,
    settings_problems,
)
from providers.secrets.references import Reference
from providers.transport import Reply, WayOptions, open_transport

CHECK_SECONDS = 8.0
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?%-]|\{model\})*")
_ID_PATH = re.compile(r"[^.]+(?:\.[^.]+)*")


class Options(WayOptions, frozen=True, forbid_unknown_fields=True):
    """The options of a provider; the module's docstring explains them."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    path: str = "/{model}"
    headers: dict[str, Reference | str] = msgspec.field(default_factory=dict)
    query: dict[str, Reference | str] = msgspec.field(default_factory=dict)
    auth: str = "bearer"
    wrap: str = ""
    id_path: str = "id"
    idempotency_header: str = "Idempotency-Key"
    endpoints: tuple[str, ...] = tuple(sorted(ACCOUNTING_ENDPOINTS))

    def __post_init__(self) -> None:
        """Raise ValueError for the first option that cannot be used."""
        super().__post_init__()
        if not _PATH.fullmatch(self.path):
            raise ValueError(f"path: {self.path!r} is not a path that begins with / and has no placeholder but {{model}}")
        check_header_name("auth", self.auth)
        check_header_name("idempotency_header", self.idempotency_header)
        taken = {"authorization" if self.auth == "bearer" else self.auth.lower(), self.idempotency_header.lower()}
        check_headers(self.headers, taken=taken)
        check_query(self.query)
        if not _ID_PATH.fullmatch(self.id_path):
            raise ValueError(f"id_path: {self.id_path!r} is not a list of keys joined by dots")
        if not self.endpoints:
            raise ValueError("endpoints: at least one is needed")
        check_endpoints("endpoints", self.endpoints)

    def plain_secrets(self) -> Iterator[str]:
        yield from super().plain_secrets()
        yield from plain_secrets("headers", self.headers)
        yield from plain_secrets("query", self.query)


class HttpAdapter:
    """Writes each object with one request. A record that the upstream took is never written again."""

    endpoints = ACCOUNTING_ENDPOINTS
    simulated = False

    def __init__(self, connection: Connection) -> None:
        with naming(connection):
            options = read_options(connection.options, Options)
        self._method = options.method
        self._idempotency_header = options.idempotency_header
        self._before, self._after = _wrapping(options.wrap)
        self._urls = {
            endpoint: record_url(connection.base_url, options.path, endpoint, query=plain(options.query))
            for endpoint in options.endpoints
        }
        self._secrets = secrets_of(connection)
        self._transport = open_transport(
            connection.base_url,
            options=options,
            environment=connection.environment,
            headers={**headers_of(options.headers), **auth_header(options.auth, connection.credential)},
            max_bytes=connection.max_response_bytes,
        )

    @classmethod
    def problems(cls, *, base_url: str, options: Mapping[str, Any]) -> dict[str, str]:
        """The problems of a provider's settings, by field."""
        return settings_problems(base_url=base_url, options=options, shape=Options)

    async def send(self, call: Call) -> Outcome:
        """Send one write once. An answer without a body counts as the document `null`."""
        url = self._urls.get(call.endpoint)
        if url is None:
            return Failure(Kind.PORTAL, f"This provider does not serve {call.endpoint}.", code=Kind.PORTAL.value)
        headers = {self._idempotency_header: call.idempotency_key}
        body = self._before + call.body + self._after
        reply = await self._transport.send(self._method, url, headers=headers, body=body, seconds=call.timeout)
        return judge_write(reply, call, secrets=self._secrets)

    async def check(self, *, model: str = "", endpoint: str = "") -> Check:
        """Whether a server answers a GET of the address where records are written. An answer such as 404 is enough."""
        if model or endpoint:
            return Check(False, "No call was tried: one would write a record.")
        url = self._urls[min(self._urls)]
        reply = await self._transport.send("GET", url, headers={}, body=b"", seconds=CHECK_SECONDS)
        shown = url.with_query(None)  # parameters may be secret
        if isinstance(reply, Failure):
            return Check(False, f"{shown} failed: {why_not(reply, judge_look(reply, secrets=self._secrets))}")
        return _look(shown, reply, self._secrets)

    async def close(self) -> None:
        """End every connection."""
        await self._transport.close()


def record_url(base_url: str, path: str, endpoint: str, *, query: Mapping[str, str] | None = None) -> URL:
    """The address to which the records of an endpoint are written."""
    model = endpoint.rpartition("/")[2]
    url = base_url.rstrip("/") + path.replace("{model}", model)
    if query:
        url += ("&" if "?" in url else "?") + urlencode(query, quote_via=quote)
    return URL(url, encoded=True)


def _wrapping(key: str) -> tuple[bytes, bytes]:
    """The bytes before and after a payload that make it the value of the key; none for an empty key."""
    return (b"{" + msgspec.json.encode(key) + b":", b"}") if key else (b"", b"")


def _look(url: URL, reply: Reply, secrets: Secrets) -> Check:
    kind = kind_of_status(reply.status)
    if kind in (None, Kind.INVALID_REQUEST, Kind.NOT_FOUND):
        return Check(True, f"{url} can be reached; it answered a look (GET) with {reply.status}.")
    return Check(False, f"{url} answered {reply.status}. {why_not(reply, judge_look(reply, secrets=secrets))}")
