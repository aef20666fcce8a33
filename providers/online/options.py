"""Options of a provider: parsing them into the adapter's struct, and the rules that several adapters share."""

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
# Headers that options must not set: the HTTP client sets them, they belong to one connection, or they change the answer's form.
RESERVED = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "accept-encoding", "keep-alive"),
        *("te", "trailer", "upgrade", "expect", "proxy-authorization", "proxy-connection", "proxy-authenticate", "range"),
    }
)
# The last word of a name tells whether its value is a secret.
_SECRET_NAME = re.compile(r"(?:.*[-_.])?(?:api-?key|key|token|secret|password|auth|authorization|cookie|credential|signature)s?")
# Headers whose values are no secrets, however long. An answer may contain the same text, which must stay.
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
    """The options, checked. Raises ValueError with a message that names the wrong option."""
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
    """The problems of the settings of a provider that has an address, by field."""
    found = {"base_url": base_url_problem(base_url), "options": options_problem(options, shape)}
    return {field: problem for field, problem in found.items() if problem}


def options_problem(options: Mapping[str, Any], shape: type[Options]) -> str | None:
    """The problem of options that are to be stored, with a list of all options; None if there is no problem."""
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


# --- Rules: each raises ValueError with a message that names the option --------------------------------------


def check_header_name(option: str, name: str) -> None:
    """Check the name of a header that an option gives: it must be well-formed, and not one that the HTTP client sets."""
    if not HEADER.fullmatch(name) or name.lower() in RESERVED | {"authorization"}:
        raise ValueError(f"{option}: {name[:100]!r} is not the name of a header that can be used")


def check_headers(headers: Mapping[str, Reference | str], *, taken: Collection[str]) -> None:
    """Check extra headers. `taken` are the headers, in lower case, that other options set."""
    seen: set[str] = set()
    for name, value in headers.items():
        if not HEADER.fullmatch(name) or name.lower() in RESERVED or name.lower() in taken or name.lower() in seen:
            raise ValueError(f"headers: {name[:100]!r} cannot be set here; the credential is sent as option auth says")
        seen.add(name.lower())
        if isinstance(value, str) and not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"headers: the value of {name!r} is not visible ASCII")


def check_query(query: Mapping[str, Reference | str]) -> None:
    """Check extra parameters of the query."""
    for name, value in query.items():
        if not _QUERY_NAME.fullmatch(name):
            raise ValueError(f"query: {name[:100]!r} is not the name of a parameter")
        if isinstance(value, str) and (not value.isprintable() or len(value) > 2000):
            raise ValueError(f"query: the value of {name!r} is not printable text of at most 2000 characters")


def check_endpoints(option: str, endpoints: Iterable[str]) -> None:
    """Check the endpoints that an option lists."""
    for endpoint in endpoints:
        dots = any(set(part) <= {"."} for part in endpoint.split("/")[1:])
        if not _ENDPOINT.fullmatch(endpoint) or dots or len(endpoint) > MAX_ENDPOINT_CHARS:
            raise ValueError(f"{option}: {endpoint[:200]!r} is not a path such as /accounting/v1/invoices")


def plain_secrets(option: str, values: Mapping[str, Reference | str]) -> Iterator[str]:
    """One sentence for each value that is a secret by its name and is stored in the clear instead of as a reference."""
    for name, value in values.items():
        if isinstance(value, str) and _SECRET_NAME.fullmatch(name.lower()):
            yield f'{option}: the value of {name!r} is a secret: store it, and give {{"secret": "NAME"}} or {{"env": "VARIABLE"}}'


def secret_values(headers: Any) -> Iterator[str]:
    """The values of extra headers that may be secrets, by their name or their length; answers must not repeat them."""
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if not isinstance(value, str) or name.lower() in _PUBLIC:
            continue
        if _SECRET_NAME.fullmatch(name.lower()) or len(value) >= MIN_UNNAMED_SECRET_CHARS:
            yield value


def plain(values: Mapping[str, Reference | str]) -> dict[str, str]:
    """The values of a connection as text: in a connection, secrets have already replaced the references."""
    return {name: str(value) for name, value in values.items()}


def headers_of(values: Mapping[str, Reference | str]) -> dict[str, str]:
    """Extra headers in the transport's spelling, so that an extra header replaces the transport's header of that name."""
    return {_SPELT.get(name.lower(), name): str(value) for name, value in values.items()}
