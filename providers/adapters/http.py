"""Adapter `http`: writes each object to a REST endpoint, such as an accounting system's.

The payload is the body of the request, byte for byte. What the options of a provider may say:

* `method`: POST, PUT or PATCH;
* `path`: where to write to, after the base URL; `{model}` stands for the last word of the endpoint
  (`/{model}` makes `/invoices` of `/accounting/v1/invoices`);
* `headers`: more headers, the same for every request;
* `auth`: how the credential is sent: `bearer`, the name of a header that holds it, or `none`;
* `wrap`: put the payload under this key (`model` makes `{"model": {…}}`);
* `id_path`: where the answer names what was created (`data.id`, `items.0.id`);
* `idempotency_header`: the header that tells a repetition from a second write;
* `endpoints`: which endpoints it serves, if not those of accounting.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from yarl import URL

from providers.adapters.answers import Secrets, outcome
from providers.adapters.options import options_problem, read_options
from providers.base import ACCOUNTING_ENDPOINTS, Call, Check, Connection, Failure, Outcome, base_url_problem
from providers.failures import Kind, kind_of_status
from providers.transport import Reply, Transport

CHECK_SECONDS = 8.0
MAX_ENDPOINT_CHARS = 100
_HEADER = re.compile(r"[A-Za-z0-9_-]+")
_HEADER_VALUE = re.compile(r"[!-~]+(?: +[!-~]+)*")
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?%-]|\{model\})*")
_ENDPOINT = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_ID_PATH = re.compile(r"[^.]+(?:\.[^.]+)*")
_NOT_TO_SET = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "authorization"})


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider may set; see above."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    path: str = "/{model}"
    headers: dict[str, str] = {}
    auth: str = "bearer"
    wrap: str = ""
    id_path: str = "id"
    idempotency_header: str = "Idempotency-Key"
    endpoints: tuple[str, ...] = tuple(sorted(ACCOUNTING_ENDPOINTS))

    def __post_init__(self) -> None:
        """Raise ValueError for the first option that cannot be used."""
        if not _PATH.fullmatch(self.path):
            raise ValueError(f"path: {self.path!r} is not a path that begins with / and has no placeholder but {{model}}")
        for field, name in (("auth", self.auth), ("idempotency_header", self.idempotency_header)):
            if not _HEADER.fullmatch(name) or name.lower() in _NOT_TO_SET:
                raise ValueError(f"{field}: {name!r} is not the name of a header that can be used")
        taken = _NOT_TO_SET | {self.auth.lower(), self.idempotency_header.lower()}
        for name, value in self.headers.items():
            if not _HEADER.fullmatch(name) or name.lower() in taken:
                raise ValueError(f"headers: {name!r} cannot be set here; a secret belongs in the credential (option auth)")
            if not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"headers: the value of {name!r} is not visible ASCII")
        if not _ID_PATH.fullmatch(self.id_path):
            raise ValueError(f"id_path: {self.id_path!r} is not a list of keys joined by dots")
        if not self.endpoints:
            raise ValueError("endpoints: at least one is needed")
        for endpoint in self.endpoints:
            if not _ENDPOINT.fullmatch(endpoint) or len(endpoint) > MAX_ENDPOINT_CHARS:
                raise ValueError(f"endpoints: {endpoint[:200]!r} is not a path such as /accounting/v1/invoices")


class HttpAdapter:
    """Writes each object with one request. Whatever the upstream took is never written again."""

    endpoints = ACCOUNTING_ENDPOINTS
    simulated = False

    def __init__(self, connection: Connection) -> None:
        try:
            options = read_options(connection.options, Options)
        except ValueError as error:
            raise ValueError(f"Provider {connection.name}: {error}") from None
        self._method = options.method
        self._idempotency_header = options.idempotency_header
        self._before, self._after = _wrapping(options.wrap)
        self._urls = {endpoint: record_url(connection.base_url, options.path, endpoint) for endpoint in options.endpoints}
        self._secrets = Secrets(connection.credential)
        self._transport = Transport(headers=_headers(options, connection.credential), max_bytes=connection.max_response_bytes)

    @classmethod
    def problems(cls, *, base_url: str, options: Mapping[str, Any]) -> dict[str, str]:
        """What is wrong with a provider's settings, by field."""
        found = {"base_url": base_url_problem(base_url), "options": options_problem(options, Options)}
        return {field: problem for field, problem in found.items() if problem}

    async def send(self, call: Call) -> Outcome:
        """One write, sent once. An answer without a body is one of `null`."""
        url = self._urls.get(call.endpoint)
        if url is None:
            return Failure(Kind.PORTAL, f"This provider does not serve {call.endpoint}.", code=Kind.PORTAL.value)
        headers = {self._idempotency_header: call.idempotency_key}
        body = self._before + call.body + self._after
        reply = await self._transport.write(self._method, url, headers=headers, body=body, seconds=call.timeout)
        if isinstance(reply, Failure):
            return reply
        taken = 200 <= reply.status < 300
        if taken and not reply.body.strip():
            reply.body = b"null"
        found = outcome(reply, secrets=self._secrets, kind_of=_kind_of_status)
        if taken and isinstance(found, Failure):
            return msgspec.structs.replace(found, kind=Kind.UNCONFIRMED, code=Kind.UNCONFIRMED.value)
        return found

    async def check(self) -> Check:
        """Whether something answers a look at where records are written. It need not have anything to show there."""
        url = self._urls[min(self._urls)]
        reply = await self._transport.get(url, seconds=CHECK_SECONDS)
        if isinstance(reply, Failure):
            return Check(False, f"{url} failed: {reply.message}")
        return _look(url, reply, self._secrets)

    async def close(self) -> None:
        """End every connection."""
        await self._transport.close()


def record_url(base_url: str, path: str, endpoint: str) -> URL:
    """Where the records of an endpoint are written."""
    model = endpoint.rpartition("/")[2]
    return URL(base_url.rstrip("/") + path.replace("{model}", model), encoded=True)


def _headers(options: Options, credential: str) -> dict[str, str]:
    """The headers that every request has, spelt as the transport spells its own, which they may replace."""
    headers = {name.title(): value for name, value in options.headers.items()}
    if credential and options.auth == "bearer":
        headers["Authorization"] = f"Bearer {credential}"
    elif credential and options.auth != "none":
        headers[options.auth] = credential
    return headers


def _wrapping(key: str) -> tuple[bytes, bytes]:
    """What goes before and after a payload."""
    return (b"{" + msgspec.json.encode(key) + b":", b"}") if key else (b"", b"")


def _kind_of_status(status: int) -> Kind | None:
    """As usual, but a conflict is final: what is there already is still there at the next try."""
    return Kind.INVALID_REQUEST if status == 409 else kind_of_status(status)


def _look(url: URL, reply: Reply, secrets: Secrets) -> Check:
    kind = kind_of_status(reply.status)
    if kind in (None, Kind.INVALID_REQUEST, Kind.NOT_FOUND):
        return Check(True, f"{url} can be reached; it answered a look (GET) with {reply.status}.")
    found = outcome(reply, secrets=secrets)
    message = found.message if isinstance(found, Failure) else ""
    return Check(False, f"{url} answered {reply.status}: {message}")
