"""Old and new values of what an act changed, as records keep them. A secret is told only to have changed."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

VALUE_CHARS = 200  # of each value
USER_OF_URL = re.compile(r"//[^/@\s]*@")  # the user and password in an address, as of a proxy
MOST_CHANGES = 50  # in one record; a further one says how many are left out

NOTHING = (None, "", b"")

Plain = str | int | float | bool | None
# By the name of a setting: its old and its new value; None for a secret.
Changes = dict[str, list[Plain] | None]


class Told(NamedTuple):
    """A change in words. A secret has no values."""

    name: str
    old: str
    new: str
    is_secret: bool


def differences(before: Mapping[str, object], after: Mapping[str, object], *, secret: Collection[str] = frozenset()) -> Changes:
    """The settings that differ, with both values. Settings in `secret` have no values. A mapping is told by its members."""
    old, new = dict(_flat(before, secret)), dict(_flat(after, secret))
    names = [*old, *(name for name in new if name not in old)]
    found: Changes = {}
    for name in names:
        if old.get(name) == new.get(name) or (old.get(name) in NOTHING and new.get(name) in NOTHING):
            continue
        hidden = name.partition(".")[0] in secret or name in secret
        found[name] = None if hidden else [_plain(old.get(name)), _plain(new.get(name))]
    if len(found) <= MOST_CHANGES:
        return found
    kept = dict(list(found.items())[:MOST_CHANGES])
    return {**kept, "further settings": [None, len(found) - MOST_CHANGES]}


def told(changes: Mapping[str, object] | None) -> Iterator[Told]:
    """The changes of a record in words. A record that is not of this form, such as one of another version, has none."""
    for name, pair in (changes or {}).items():
        words = name.replace("_", " ").replace(".", ": ")
        if pair is None:
            yield Told(words, "", "", is_secret=True)
        elif isinstance(pair, list) and len(pair) == 2:
            yield Told(words, _words(pair[0]), _words(pair[1]), is_secret=False)


def _flat(values: Mapping[str, object], secret: Collection[str], above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and not above and path not in secret:
            yield from _flat(value, secret, above=f"{path}.")
        else:
            yield path, value


def _plain(value: object) -> Plain:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, list | tuple | set | frozenset):
        value = ", ".join(map(str, value))
    text = USER_OF_URL.sub("//…@", str(value).replace("\0", "\ufffd"))
    return text if len(text) <= VALUE_CHARS else f"{text[: VALUE_CHARS - 1]}…"


def _words(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
