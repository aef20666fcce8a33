"""Which dialect a path belongs to, so that whatever fails there is answered in the dialect's words."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from batches.dialects.base.errors import ErrorRenderer

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a dialect lives. No path ends in a slash.

    `base` is what its `clients` are given as base URL, after the host. `prefixes` are the paths it answers for: its own,
    and those that only its clients with a wrong base URL ask for. A longer prefix of another dialect goes before.

    With `told_by`, it answers only for requests whose headers are of its clients, under paths that are another dialect's
    without them: with what `urlconf` has there, and errors for everything else.
    """

    base: str
    render_error: ErrorRenderer
    prefixes: tuple[str, ...]
    clients: str = "this API"  # whose base URL it is, for advice
    told_by: Callable[[Headers], bool] | None = None
    urlconf: str | None = None
    advice: str = ""  # what helps whoever asks for a path that is not there; unless given, base URLs


_by_prefix: dict[str, list[Mount]] = {}


def mount(dialect: Mount) -> None:
    """Make a dialect known. Of two with one prefix, the one that is told by headers goes before."""
    for prefix in dialect.prefixes:
        known = _by_prefix.setdefault(prefix, [])
        known.append(dialect)
        known.sort(key=lambda each: each.told_by is None)


def owner(path: str, headers: Headers) -> Mount | None:
    """The dialect with the longest prefix of this path, in whole segments, among those that answer for such a request.

    A slash that was doubled where a base URL met a path is taken for one.
    """
    prefix = _plain(path)
    while prefix:
        for found in _by_prefix.get(prefix, ()):
            if found.told_by is None or found.told_by(headers):
                return found
        prefix = prefix.rpartition("/")[0]
    return None


def meant(path: str, *, exists: Callable[[str], bool]) -> list[Mount]:
    """The dialects that have the end of a path which is not there behind their base URL: whose client asks for it.

    First the one that has the longest end, then the one whose prefix the path has. `exists` says which paths are there.
    """
    here = owner(path, {})
    longest = 0
    found: list[Mount] = []
    for end in _ends(_plain(path)):
        if len(end) < longest:
            break
        fitting = [each for each in _mounted() if owner(each.base + end, {}) is each and exists(each.base + end)]
        if fitting:
            longest = len(end)
            found.append(here if here in fitting else fitting[0])
    if here and here not in found and any(owner(here.base + end, {}) is here and exists(here.base + end) for end in _ends(path)):
        found.append(here)
    return found


def _plain(path: str) -> str:
    return re.sub("/+", "/", path).rstrip("/")


def _ends(path: str) -> Iterator[str]:
    """A path without its first segment, without its first two, and so on; and first the path itself."""
    for match in re.finditer("/", path):
        yield path[match.start() :]


def _mounted() -> list[Mount]:
    """Every dialect that is not told by headers, once, in the order in which they were mounted."""
    return list(dict.fromkeys(each for known in _by_prefix.values() for each in known if each.told_by is None))
