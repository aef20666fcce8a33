"""References: values of options that stand for a secret.

The secret of `{"secret": "NAME"}` is stored with the provider, encrypted. The secret of `{"env": "VARIABLE"}` is in the
environment of the workers. The secret of `{"file": "NAME"}` is in the workers' folder of credentials.

The value of an extra header is never stored in the clear: a value given as text is moved to the stored secrets (`sealed`).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from providers.secrets import sources
from providers.secrets.sources import ENVIRONMENT_NAME, FILE_NAME, Missing

SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
SEALED = "headers."  # the prefix of the names of secrets that were given as the text of a header
# The options that may hold references: as the option itself, or as values of its map.
_SINGLE = ("proxy", "client_key")
_MAPS = ("headers", "query")


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reference to a secret that is stored, in a variable, or in a file."""

    secret: str = ""
    env: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError unless the reference names exactly one source."""
        if [bool(self.secret), bool(self.env), bool(self.file)].count(True) != 1:
            raise ValueError('a secret is given as {"secret": "NAME"}, as {"env": "VARIABLE"} or as {"file": "NAME"}')
        if self.secret and not SECRET_NAME.fullmatch(self.secret):
            raise ValueError("the name of a secret consists of letters, digits, dots, dashes and underscores")
        if self.env and not ENVIRONMENT_NAME.fullmatch(self.env):
            raise ValueError("this is not the name of an environment variable")
        if self.file and not FILE_NAME.fullmatch(self.file):
            raise ValueError("this is not the name of a file in CREDENTIALS_DIR")

    def __str__(self) -> str:
        return f"secret {self.secret}" if self.secret else f"variable {self.env}" if self.env else f"file {self.file}"

    @property
    def problem(self) -> str | None:
        """The reason why options may not hold this reference, as a sentence; None if they may."""
        if self.env:
            return sources.variable_problem(self.env)
        return sources.file_problem(self.file) if self.file else None

    def value(self, secrets: Mapping[str, str]) -> str:
        """The secret that the reference stands for. `secrets` are the stored ones, by name. Raises Missing."""
        if self.env:
            return sources.variable(self.env)
        if self.file:
            return sources.file(self.file)
        if value := secrets.get(self.secret):
            return value
        raise Missing(f"The secret {self.secret} is not stored.")


def referred(options: Mapping[str, Any]) -> Iterator[Reference]:
    """The references in options. A malformed reference is left out."""
    for _, reference in _found(options):
        yield reference


def resolved(options: Mapping[str, Any], *, secrets: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The options with secrets in the place of references, and a list of these secrets. Raises Missing.

    The values of extra headers are put in their place too, but are not in the list, since most headers hold no secret.
    `providers.online.options` decides which of them are secrets.
    """
    filled, values = dict(options), []
    for (option, name), reference in _found(options):
        try:
            value = reference.value(secrets)
        except Missing as missing:
            raise Missing(f"Option {f'{option} {name}'.strip()}: {missing}") from None
        if not reference.secret.startswith(SEALED):
            values.append(value)
        if name:
            filled[option] = {**filled[option], name: value}
        else:
            filled[option] = value
    return filled, values


def sealed(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The options with references in the place of the text of headers, and the replaced texts by the names of the references."""
    headers = options.get("headers")
    if not isinstance(headers, dict):
        return dict(options), {}
    names = {header: _name_of(header) for header, value in headers.items() if isinstance(value, str)}
    kept = {header: {"secret": names[header]} if header in names else value for header, value in headers.items()}
    return {**options, "headers": kept}, {name: headers[header] for header, name in names.items()}


def _name_of(header: str) -> str:
    name = SEALED + header
    return name if SECRET_NAME.fullmatch(name) else SEALED + hashlib.sha256(header.encode()).hexdigest()[:40]


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
