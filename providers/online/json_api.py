"""Upstreams with a versioned JSON API: their common options, their addresses and names of models, and their check."""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, urlencode

import msgspec
from yarl import URL

from providers.base import Call, Check, Connection, Failure, Outcome, Success
from providers.failures import Kind
from providers.judgement import Secrets, judge, judge_look
from providers.online.model_names import model_of, renamed
from providers.online.options import (
    check_endpoints,
    check_header_name,
    check_headers,
    check_query,
    headers_of,
    plain,
    plain_secrets,
    secret_values,
)
from providers.secrets.references import Reference
from providers.transport import Reply, WayOptions, open_transport

CHECK_SECONDS = 8.0
CALL_SECONDS = 30.0
MAX_MODEL_CHARS = 200
NOTHING: Mapping[str, str] = {}
_VERSION = re.compile(r"/v\d+[a-z0-9]*(?=/|$)")
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/%-]|\{model\}|\{endpoint\})*")
_NO_LIST = frozenset({404, 405, 410, 501})
# A small request for each endpoint. A check sends the first one whose endpoint the provider serves.
TRIALS: dict[str, dict[str, object]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Say ok."}]},
    "/v1/messages": {"messages": [{"role": "user", "content": "Say ok."}], "max_tokens": 16},
    "/v1/responses": {"input": "Say ok."},
    "/v1/completions": {"prompt": "ok", "max_tokens": 1},
    "/v1/embeddings": {"input": "ok"},
    "/v1/moderations": {"input": "ok"},
    "/v1/rerank": {"query": "ok", "documents": ["ok"]},
    "/v1/score": {"text_1": "ok", "text_2": "ok"},
}


class ApiOptions(WayOptions, frozen=True, forbid_unknown_fields=True):
    """Options of these adapters, besides those of every adapter that speaks HTTP.

    * `headers`, `query`: more headers and parameters, the same for every request; a value may be a reference to a secret;
    * `auth`: how the credential is sent: `bearer`, the name of a header that holds it, or `none`; empty: as the adapter does;
    * `exact_root`: the base URL is already the root of the API, so no version is added;
    * `models`: the upstream's names of models by the names that clients use; limits and prices use the clients' names;
    * `further_endpoints`: endpoints that the upstream serves besides those of the adapter.
    """

    headers: dict[str, Reference | str] = msgspec.field(default_factory=dict)
    query: dict[str, Reference | str] = msgspec.field(default_factory=dict)
    auth: str = ""
    exact_root: bool = False
    models: dict[str, str] = msgspec.field(default_factory=dict)
    further_endpoints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for the first option that cannot be used."""
        super().__post_init__()
        if self.auth not in ("", "bearer", "none"):
            check_header_name("auth", self.auth)
        check_headers(self.headers, taken=self.headers_taken())
        check_query(self.query)
        check_endpoints("further_endpoints", self.further_endpoints)
        for name, upstreams in self.models.items():
            if not name or not upstreams or max(len(name), len(upstreams)) > MAX_MODEL_CHARS or "\x00" in name + upstreams:
                raise ValueError(
                    f"models: {name[:100]!r} and its name at the upstream must have 1 to {MAX_MODEL_CHARS} characters"
                )

    def headers_taken(self) -> Collection[str]:
        """The headers, in lower case, that the adapter sets itself."""
        return {"idempotency-key", "authorization" if self.auth in ("", "bearer") else self.auth.lower()}

    def plain_secrets(self) -> Iterator[str]:
        yield from super().plain_secrets()
        yield from plain_secrets("headers", self.headers)
        yield from plain_secrets("query", self.query)


def auth_header(auth: str, credential: str) -> dict[str, str]:
    """The header that carries a credential."""
    if not credential or auth == "none":
        return {}
    return {"Authorization": f"Bearer {credential}"} if auth == "bearer" else {auth: credential}


def secrets_of(connection: Connection) -> Secrets:
    """All secrets of a connection: the credential, and secrets in options, extra headers and addresses of proxies."""
    with_password = (url for url in connection.environment.values() if "@" in url)
    headers = secret_values(connection.options.get("headers"))
    return Secrets(connection.credential, *connection.secrets, *headers, *with_password)


def why_not(reply: Reply | Failure, found: Outcome) -> str:
    """The explanation that a check gives for a reply that is no success.

    It quotes nothing from the answer. Else a person who sets the address of a provider could read any page that the portal
    can reach.
    """
    if not isinstance(found, Failure):
        return ""
    return found.message if isinstance(reply, Failure) else found.kind.sentence


def endpoint_url(base_url: str, endpoint: str, *, exact: bool = False) -> URL:
    """The address of an endpoint such as `/v1/embeddings`. If the base URL has a version already, no other is added."""
    base = URL(base_url.rstrip("/"))
    if exact or _VERSION.search(base.path):
        endpoint = unversioned(endpoint)
    return URL(f"{base}{endpoint}", encoded=True)


def unversioned(endpoint: str) -> str:
    """An endpoint without its version: `/embeddings`."""
    return _VERSION.sub("", endpoint, count=1)


def path_problem(path: str) -> str | None:
    """The reason why a text is no template of paths; None if it is one."""
    if not _PATH.fullmatch(path) or "{endpoint}" not in path:
        return f"{path[:200]!r} is not a path that begins with /, holds {{endpoint}} and has no other placeholder but {{model}}"
    return None


class Addresses:
    """The addresses of an upstream's endpoints: the base URL with the endpoint behind it, or with a template of paths.

    In a template, `{endpoint}` is the endpoint without its version, and `{model}` is the upstream's name of the request's
    model.
    """

    def __init__(self, base_url: str, options: ApiOptions, *, endpoints: Collection[str], path: str = "") -> None:
        self._base_url = base_url.rstrip("/")
        self._exact = options.exact_root
        self._query = urlencode(plain(options.query), quote_via=quote)
        self._path = path
        self._fixed = {} if "{model}" in path else {endpoint: self._make(endpoint) for endpoint in endpoints}
        self._by_model = lru_cache(maxsize=1024)(self._make)
        self._endpoints = frozenset(endpoints)

    def of(self, endpoint: str, body: bytes) -> URL | Failure:
        """The address of a request; a Failure if the endpoint is not served, or the address needs a model and none is named."""
        if endpoint not in self._endpoints:
            return Failure(Kind.PORTAL, f"This provider does not serve {endpoint}.", code=Kind.PORTAL.value)
        if url := self._fixed.get(endpoint):
            return url
        model = model_of(body)
        if not model.strip("."):
            message = "The request names no model, and this provider's addresses are made with it."
            return Failure(Kind.INVALID_REQUEST, message, code=Kind.INVALID_REQUEST.value, param="model")
        return self._by_model(endpoint, model)

    def plain(self, endpoint: str) -> URL:
        """The address of an endpoint that belongs to no model, such as `/v1/models`."""
        return self._make(endpoint, path=self._path.replace("/deployments/{model}", ""))

    def _make(self, endpoint: str, model: str = "", *, path: str | None = None) -> URL:
        path = self._path if path is None else path
        if path:
            path = path.replace("{endpoint}", unversioned(endpoint)).replace("{model}", quote(model, safe=""))
            url = URL(self._base_url + path, encoded=True)
        else:
            url = endpoint_url(self._base_url, endpoint, exact=self._exact)
        return URL(f"{url}?{self._query}", encoded=True) if self._query else url


class JsonApi:
    """A connected upstream: sends its requests, and checks it."""

    def __init__(self, connection: Connection, options: ApiOptions, *, addresses: Addresses, headers: Mapping[str, str]) -> None:
        self.secrets = secrets_of(connection)
        self._models = options.models
        self._addresses = addresses
        self._transport = open_transport(
            connection.base_url,
            options=options,
            environment=connection.environment,
            headers={**headers_of(options.headers), **headers},
            max_bytes=connection.max_response_bytes,
        )

    async def post(self, call: Call, *, headers: Mapping[str, str] = NOTHING) -> Reply | Failure:
        """Send a call once, with these additional headers, and with the upstream's name of its model."""
        body = renamed(call.body, self._models) if self._models else call.body
        url = self._addresses.of(call.endpoint, body)
        if isinstance(url, Failure):
            return url
        headers = {"Idempotency-Key": call.idempotency_key, **headers}
        return await self._transport.send("POST", url, headers=headers, body=body, seconds=call.timeout)

    async def check(self, *, model: str, endpoint: str, served: Collection[str], headers: Mapping[str, str] = NOTHING) -> Check:
        """Whether the upstream answers with its list of models; with a model, whether a small call of it succeeds."""
        listed = await self._check_list(headers)
        if not model:
            return listed
        endpoint = endpoint or next((name for name in TRIALS if name in served), "")
        if endpoint not in served or endpoint not in TRIALS:
            known = ", ".join(name for name in TRIALS if name in served) or "none of its endpoints"
            return Check(False, f"{listed.message} No call was tried: one can be of {known}.")
        body = msgspec.json.encode({"model": model, **TRIALS[endpoint]})
        call = Call(endpoint, body, "check", CALL_SECONDS)
        reply = await self.post(call, headers=headers)
        found = judge(reply, call, secrets=self.secrets)
        if isinstance(found, Success):
            used = (
                f"{found.usage.input} tokens in, {found.usage.output} out" if found.usage else "it does not say how many tokens"
            )
            return Check(True, f"One call of {endpoint} with model {model} succeeded, and is paid for: {used}.", found.usage)
        status = f" with {found.http_status}" if found.http_status else ""
        return Check(False, f"One call of {endpoint} with model {model} failed{status}: {why_not(reply, found)}")

    async def _check_list(self, headers: Mapping[str, str]) -> Check:
        url = self._addresses.plain("/v1/models")
        shown = url.with_query(None)  # parameters may be secret
        reply = await self._transport.send("GET", url, headers=headers, body=b"", seconds=CHECK_SECONDS)
        found = judge_look(reply, secrets=self.secrets)
        if isinstance(found, Success):
            return Check(True, f"{shown} answered {_models_listed(found.body)}.")
        if found.http_status in _NO_LIST:
            return Check(
                True,
                f"The upstream can be reached, but has no list of models: {shown} answered {found.http_status}. "
                "Whether the credential and the base URL are right, only a call can tell: name a model to try one small call, "
                "which is paid for.",
            )
        status = f" with {found.http_status}" if found.http_status else ""
        return Check(False, f"{shown} failed{status}: {why_not(reply, found)}")

    async def close(self) -> None:
        """End every connection."""
        await self._transport.close()


def _models_listed(body: bytes) -> str:
    listing = msgspec.json.decode(body)
    models = listing.get("data") if isinstance(listing, dict) else listing
    if not isinstance(models, list):
        return "without a list of models"
    return "and lists 1 model" if len(models) == 1 else f"and lists {len(models)} models"
