"""Reading settings from the environment: parsers that refuse a bad value by name."""

import json
import os
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


def knob(name: str, cast: Callable[[str], T], default: T) -> T:
    """The value of an environment variable, or the default; a value that does not parse is refused by name."""
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        return cast(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={raw!r} is not valid: {error}") from error


def whole(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers in a range."""

    def parse(raw: str) -> int:
        number = int(raw)
        if number < minimum or (maximum is not None and number > maximum):
            allowed = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
            raise ValueError(f"it must be {allowed}")
        return number

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


def secure_url(raw: str) -> str:
    """A parser of an address with https, or of this machine."""
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
