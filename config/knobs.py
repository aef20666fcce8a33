"""Reading settings from the environment. A value that does not parse raises an error that names the variable."""

import json
import os
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


def knob(name: str, cast: Callable[[str], T], default: T) -> T:
    """The value of an environment variable, or the default. Raises ImproperlyConfigured for a value that does not parse."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        return cast(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={raw!r} is not valid: {error}") from error


def secret(name: str) -> str:
    """The value of an environment variable, or the content of the file that the variable `NAME_FILE` names; else empty."""
    value, path = (os.environ.get(variable, "").strip() for variable in (name, f"{name}_FILE"))
    if value and path:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: set one of them.")
    if not path:
        return value
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = (error.strerror or type(error).__name__) if isinstance(error, OSError) else "it is not text"
        raise ImproperlyConfigured(f"{name}_FILE={path!r} cannot be read: {why}") from None
    if not value:
        raise ImproperlyConfigured(f"{name}_FILE={path!r} is empty")
    return value


def gone(name: str, *, instead: str) -> None:
    """Refuse a variable that only earlier versions read. `instead` is a sentence about its replacement."""
    if os.environ.get(name, "").strip():
        raise ImproperlyConfigured(f"{name} is not used any more: {instead}")


def whole(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers in a range."""

    def parse(raw: str) -> int:
        number = int(raw)
        if number < minimum or (maximum is not None and number > maximum):
            allowed = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
            raise ValueError(f"it must be {allowed}")
        return number

    return parse


def bounds(*words: str) -> Callable[[str], dict[str, tuple[int, int | None]]]:
    """A parser of comma-separated bounds, such as `files:1-365` or `audit:90-` without an upper one."""

    def parse(raw: str) -> dict[str, tuple[int, int | None]]:
        found: dict[str, tuple[int, int | None]] = {}
        for part in names(raw):
            match = re.fullmatch(r"(\w+):(\d{1,5})-(\d{1,5})?", part, re.ASCII)
            if match is None or match[1] not in words:
                raise ValueError(f"{part!r} must be such as {words[0]}:1-365, for one of {', '.join(words)}")
            least, most = int(match[2]), int(match[3]) if match[3] else None
            if least < 1 or (most is not None and most < least):
                raise ValueError(f"{part!r}: it begins with 1 at least, and ends no earlier")
            found[match[1]] = (least, most)
        return found

    return parse


def seconds(raw: str) -> float:
    """A parser of a positive number of seconds."""
    number = float(raw)
    if not 0 < number < float("inf"):
        raise ValueError("it must be a positive number of seconds")
    return number


def flag(raw: str) -> bool:
    """A parser of yes and no."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if raw.lower() not in words:
        raise ValueError("it must be one of " + ", ".join(words))
    return words[raw.lower()]


def names(raw: str) -> list[str]:
    """A parser of comma-separated names."""
    return [name.strip() for name in raw.split(",") if name.strip()]


def word(*words: str) -> Callable[[str], str]:
    """A parser of one of a few words."""

    def parse(raw: str) -> str:
        if raw.lower() not in words:
            raise ValueError("it must be one of " + ", ".join(words))
        return raw.lower()

    return parse


def origin(raw: str) -> str:
    """A parser of an address without a path, such as `https://batch.example`."""
    parts = urlsplit(raw)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError("it must be an address such as https://batch.example")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.port == 0:
        raise ValueError("it must be an address without a path, such as https://batch.example")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def is_loopback(host: str) -> bool:
    """Whether a host can be reached only from this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def networks(raw: str) -> list[IPv4Network | IPv6Network]:
    """A parser of comma-separated networks, such as `10.0.0.0/8`."""
    return [ip_network(name) for name in names(raw)]


def network_names(raw: str) -> list[str]:
    """A parser of comma-separated networks that keeps their texts. `none` is an empty list."""
    return [] if raw.lower() == "none" else [str(network) for network in networks(raw)]


def variables(raw: str) -> list[str]:
    """A parser of comma-separated names of variables. Each may end in `*`."""
    found = names(raw)
    if wrong := next((name for name in found if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*\*?", name)), None):
        raise ValueError(f"{wrong!r} is neither the name of a variable nor the beginning of one with a * behind it")
    return found


def secure_url(raw: str) -> str:
    """A parser of an https address. An http address is accepted for this machine."""
    address = urlsplit(raw)
    if not address.hostname or address.query or address.fragment:
        raise ValueError("it must be a URL such as https://id.example")
    if address.scheme != "https" and (address.scheme != "http" or address.hostname not in {"127.0.0.1", "localhost", "::1"}):
        raise ValueError("it must begin with https://")
    return raw.rstrip("/")


def groups(*roles: str) -> Callable[[str], dict[str, list[str]]]:
    """A parser of a JSON object: group names lead to `PROJECT:ROLE`, `staff` or `admin`, or to a list of these."""

    def parse(raw: str) -> dict[str, list[str]]:
        found = json.loads(raw)
        if not isinstance(found, dict):
            raise ValueError('it must be a JSON object such as {"ml-team": ["search:operator"], "ops": "admin"}')
        given = {name: [value] if isinstance(value, str) else value for name, value in found.items()}
        for name, values in given.items():
            if not isinstance(values, list) or not all(_is_gift(value, roles) for value in values):
                raise ValueError(
                    f"what {name!r} gives must be PROJECT:ROLE (a role is one of {', '.join(roles)}), staff or admin"
                )
        return given

    return parse


def _is_gift(value: object, roles: tuple[str, ...]) -> bool:
    if not isinstance(value, str):
        return False
    project, colon, role = value.partition(":")
    return (bool(project) and role in roles) if colon else value in {"staff", "admin"}
