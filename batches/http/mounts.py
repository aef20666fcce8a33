"""Which dialect a path belongs to, so that whatever fails there is answered in the dialect's words."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os.path import commonpath

from batches.http.errors import ErrorRenderer

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a dialect lives. No path ends in a slash.

    `bases` are what clients, by their names, are given as base URL, after the host; the first is that of client libraries.
    `prefixes` are the paths it answers
    for: its own, and those that only its clients with a wrong base URL ask for. A longer prefix of another dialect goes
    before.

    With `told_by`, it answers only for requests whose headers are of its clients, under paths that are another dialect's
    without them: with what `urlconf` has there, and errors for everything else.
    """

    bases: Mapping[str, str]
    render_error: ErrorRenderer
    prefixes: tuple[str, ...]
    told_by: Callable[[Headers], bool] | None = None
    urlconf: str | None = None
    advice: str = ""  # what helps whoever asks for a path that is not there; unless given, base URLs


MOST_SEGMENTS = 8  # of the end of a path that some client may mean

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


def meant(path: str, *, exists: Callable[[str], bool]) -> Mount | None:
    """The dialect whose client asks for a path that is not there: the end of it is there behind the dialect's first base URL.

    The longest end decides, then what the base URL has in common with the path; `exists` says which paths are there.
    """
    for end in _ends(path):
        if fitting := [each for each in _mounted() if _serves(each, end, exists)]:
            # Of equals the one with the shortest base URL: `/v1` is what most clients are given.
            return max(fitting, key=lambda each: (len(commonpath([_base(each) or "/", _plain(path)])), -len(_base(each))))
    return None


def may_be_meant(dialect: Mount, path: str, *, exists: Callable[[str], bool]) -> bool:
    """Whether a client of this dialect may ask for a path that is not there, also one that leaves out the API's version."""
    return any(_serves(dialect, version + end, exists) for end in _ends(path) for version in ("", "/v1"))


def _serves(dialect: Mount, end: str, exists: Callable[[str], bool]) -> bool:
    path = _base(dialect) + end
    return owner(path, {}) is dialect and exists(path)


def _base(dialect: Mount) -> str:
    return next(iter(dialect.bases.values()))


def _ends(path: str) -> list[str]:
    """A path without its first segments, the longest first."""
    plain = _plain(path)
    return [plain[match.start() :] for match in re.finditer("/", plain)][-MOST_SEGMENTS:]


def _plain(path: str) -> str:
    return re.sub("/+", "/", path).rstrip("/")


def _mounted() -> list[Mount]:
    """Every dialect that is not told by headers, once, in the order in which they were mounted."""
    found: list[Mount] = []
    for known in _by_prefix.values():
        found += [each for each in known if each.told_by is None and each not in found]
    return found
