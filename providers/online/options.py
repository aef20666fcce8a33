"""Reading the options of a provider into the shape that its adapter gives them, and rules that several adapters share."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from providers.base import Connection
from providers.secrets.references import Reference
from providers.transport import CONSTANT_HEADERS, WayOptions, base_url_problem

MAX_ENDPOINT_CHARS = 100
HEADER = re.compile(r"[A-Za-z0-9_-]+")
_HEADER_VALUE = re.compile(r"[!-~]+(?: +[!-~]+)*")
_QUERY_NAME = re.compile(r"[A-Za-z0-9._~\[\]-]+")
_ENDPOINT = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
# Headers that the client sets itself, that belong to one connection alone, or that would change what an answer is.
RESERVED = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "accept-encoding", "keep-alive"),
        *("te", "trailer", "upgrade", "expect", "proxy-authorization", "proxy-connection", "proxy-authenticate", "range"),
    }
)
# Names whose values are secrets, by their last word.
_SECRET_NAME = re.compile(r"(?:.*[-_.])?(?:api-?key|key|token|secret|password|auth|authorization|cookie|credential|signature)s?")
# Headers whose values are no secrets, however long: answers may well hold the same.
_PUBLIC = frozenset(
    {
        *("accept", "accept-language", "anthropic-beta", "anthropic-version", "cache-control", "content-type", "from"),
        *("http-referer", "openai-beta", "origin", "referer", "user-agent", "x-title"),
    }
)
MIN_UNNAMED_SECRET_CHARS = 16
_SPELT = {name.lower(): name for name in CONSTANT_HEADERS}
Options = TypeVar("Options", bound=msgspec.Struct)


def read_options(options: Mapping[str, Any], shape: type[Options]) -> Options:
    """The options, checked. Raises ValueError, whose message names the one that is wrong."""
    try:
        return msgspec.convert(dict(options), shape)
    except msgspec.ValidationError as error:
        raise ValueError(named(error)) from None


@contextmanager
def naming(connection: Connection) -> Iterator[None]:
    """Put the provider's name before the message of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"Provider {connection.name}: {error}") from None


def settings_problems(*, base_url: str, options: Mapping[str, Any], shape: type[Options]) -> dict[str, str]:
    """What is wrong with the settings of a provider that has an address, by field."""
    found = {"base_url": base_url_problem(base_url), "options": options_problem(options, shape)}
    return {field: problem for field, problem in found.items() if problem}


def options_problem(options: Mapping[str, Any], shape: type[Options]) -> str | None:
    """What is wrong with options that are to be stored, and which ones there are; None when nothing is."""
    try:
        found = read_options(options, shape)
    except ValueError as error:
        return f"{error} The options are {', '.join(shape.__struct_fields__)}."
    if isinstance(found, WayOptions):
        for sentence in found.plain_secrets():
            return f"{sentence}."
    return None


def named(error: msgspec.ValidationError) -> str:
    """The parser's message with the field in front: `failure_rate: Expected …`."""
    message, _, path = str(error).rstrip(".").partition(" - at `$.")
    return f"{path.rstrip('`')}: {message}." if path else f"{message}."


# --- Rules: each raises ValueError, whose message names the option -------------------------------------------


def check_header_name(option: str, name: str) -> None:
    """A header that an option names must be one that can be used."""
    if not HEADER.fullmatch(name) or name.lower() in RESERVED | {"authorization"}:
        raise ValueError(f"{option}: {name[:100]!r} is not the name of a header that can be used")


def check_headers(headers: Mapping[str, Reference | str], *, taken: Collection[str]) -> None:
    """Extra headers. `taken` are names in lower case that another option sets."""
    seen: set[str] = set()
    for name, value in headers.items():
        if not HEADER.fullmatch(name) or name.lower() in RESERVED or name.lower() in taken or name.lower() in seen:
            raise ValueError(f"headers: {name[:100]!r} cannot be set here; the credential is sent as option auth says")
        seen.add(name.lower())
        if isinstance(value, str) and not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"headers: the value of {name!r} is not visible ASCII")


def check_query(query: Mapping[str, Reference | str]) -> None:
    """Extra parameters of the query."""
    for name, value in query.items():
        if not _QUERY_NAME.fullmatch(name):
            raise ValueError(f"query: {name[:100]!r} is not the name of a parameter")
        if isinstance(value, str) and (not value.isprintable() or len(value) > 2000):
            raise ValueError(f"query: the value of {name!r} is not printable text of at most 2000 characters")


def check_endpoints(option: str, endpoints: Iterable[str]) -> None:
    """Endpoints that an option adds."""
    for endpoint in endpoints:
        dots = any(set(part) <= {"."} for part in endpoint.split("/")[1:])
        if not _ENDPOINT.fullmatch(endpoint) or dots or len(endpoint) > MAX_ENDPOINT_CHARS:
            raise ValueError(f"{option}: {endpoint[:200]!r} is not a path such as /accounting/v1/invoices")


def plain_secrets(option: str, values: Mapping[str, Reference | str]) -> Iterator[str]:
    """The values that by their name are secrets and are no references: one sentence each."""
    for name, value in values.items():
        if isinstance(value, str) and _SECRET_NAME.fullmatch(name.lower()):
            yield f'{option}: the value of {name!r} is a secret: store it, and give {{"secret": "NAME"}} or {{"env": "VARIABLE"}}'


def secret_values(headers: Any) -> Iterator[str]:
    """The values of extra headers that answers must not repeat: those that by name or by length may be secrets."""
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if not isinstance(value, str) or name.lower() in _PUBLIC:
            continue
        if _SECRET_NAME.fullmatch(name.lower()) or len(value) >= MIN_UNNAMED_SECRET_CHARS:
            yield value


def plain(values: Mapping[str, Reference | str]) -> dict[str, str]:
    """Values of a connection, in which secrets have taken the place of references."""
    return {name: str(value) for name, value in values.items()}


def headers_of(values: Mapping[str, Reference | str]) -> dict[str, str]:
    """Extra headers, spelt as the transport spells its own, which they may replace."""
    return {_SPELT.get(name.lower(), name): str(value) for name, value in values.items()}
