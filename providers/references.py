"""References: what options hold in the place of a secret. `{"secret": "NAME"}` is stored with the provider, encrypted;
`{"env": "VARIABLE"}` is in the environment of the workers."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
# Where options may hold references: as the option itself, or as a value in it.
_SINGLE = ("proxy", "client_key")
_MAPS = ("headers", "query")


class Missing(Exception):
    """What a reference stands for is not there; the message says what."""


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stands for a secret: one that is stored, or one in a variable."""

    secret: str = ""
    env: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError unless it names exactly one thing."""
        if bool(self.secret) == bool(self.env):
            raise ValueError('a secret is given as {"secret": "NAME"} or as {"env": "VARIABLE"}')
        if self.secret and not SECRET_NAME.fullmatch(self.secret):
            raise ValueError("the name of a secret consists of letters, digits, dots, dashes and underscores")
        if self.env and not ENVIRONMENT_NAME.fullmatch(self.env):
            raise ValueError("this is not the name of an environment variable")

    def __str__(self) -> str:
        return f"secret {self.secret}" if self.secret else f"variable {self.env}"


def referred(options: Mapping[str, Any]) -> Iterator[Reference]:
    """The references that options hold, as far as they can be read."""
    for _, reference in _found(options):
        yield reference


def resolved(
    options: Mapping[str, Any], *, secrets: Mapping[str, str], environment: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """The options with secrets in the place of references, and those secrets. Raises Missing."""
    filled, values = dict(options), []
    for (option, name), reference in _found(options):
        value = secrets.get(reference.secret) if reference.secret else environment.get(reference.env)
        if not value:
            where = f"{option} {name}".strip()
            lacks = f"the secret {reference.secret} is not stored" if reference.secret else f"{reference.env} is not set"
            raise Missing(f"Option {where}: {lacks}")
        values.append(value)
        if name:
            filled[option] = {**filled[option], name: value}
        else:
            filled[option] = value
    return filled, values


def _found(options: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Reference]]:
    for option in _SINGLE:
        if reference := _reference(options.get(option)):
            yield (option, ""), reference
    for option in _MAPS:
        values = options.get(option)
        for name, value in values.items() if isinstance(values, dict) else ():
            if reference := _reference(value):
                yield (option, name), reference


def _reference(value: Any) -> Reference | None:
    try:
        return msgspec.convert(value, Reference) if isinstance(value, dict) else None
    except msgspec.ValidationError:
        return None
