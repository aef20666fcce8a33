"""Mounts: the dialect of each path, so that an error at any path is answered in the format of its dialect."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os.path import commonpath

from batches.http.errors import ErrorRenderer

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mount:
    """The paths of a dialect. No path ends in a slash.

    `bases` are the base URLs, after the host, by the names of the clients that use them; the first is for client libraries.
    `prefixes` are the paths that the dialect answers for: its own, and paths that only its clients with a wrong base URL use.
    If two dialects match a path, the longer prefix wins.

    A mount with `recognises` shares its paths with another dialect. It answers only if `recognises` returns True for the
    headers of the request. Then the request goes to the views of `urlconf`, or gets an error if `urlconf` has no such path.
    """

    bases: Mapping[str, str]
    render_error: ErrorRenderer
    prefixes: tuple[str, ...]
    recognises: Callable[[Headers], bool] | None = None
    urlconf: str | None = None
    advice: str = ""  # advice for a client that asks for an unknown path; if empty, the base URLs are the advice

    @property
    def dialect(self) -> str:
        """The name of the dialect: of the package that renders its errors, such as `openai`; the native API's is `api`."""
        return self.render_error.__module__.rpartition(".")[0].rpartition(".")[2]


MOST_SEGMENTS = 8  # the longest end of a path that is compared with the paths of dialects

_by_prefix: dict[str, list[Mount]] = {}


def mount(dialect: Mount) -> None:
    """Register a dialect. If two dialects share a prefix, the one with `recognises` goes first."""
    for prefix in dialect.prefixes:
        known = _by_prefix.setdefault(prefix, [])
        known.append(dialect)
        known.sort(key=lambda each: each.recognises is None)


def owner(path: str, headers: Headers) -> Mount | None:
    """The dialect that answers for a request: the one with the longest prefix of the path, in whole segments.

    A double slash counts as one: clients produce it where they join a base URL and a path.
    """
    prefix = _plain(path)
    while prefix:
        for found in _by_prefix.get(prefix, ()):
            if found.recognises is None or found.recognises(headers):
                return found
        prefix = prefix.rpartition("/")[0]
    return None


def meant(path: str, *, exists: Callable[[str], bool]) -> Mount | None:
    """The dialect whose client probably asks for an unknown path, because of a wrong base URL; None if no dialect fits.

    A dialect fits if an end of the path exists behind the dialect's first base URL. The dialect with the longest such end is
    chosen; among equals, the one whose base URL has the longest beginning in common with the path. `exists` tells whether a
    path exists.
    """
    for end in _ends(path):
        if fitting := [each for each in _mounted() if _serves(each, end, exists)]:
            # Among equals, the shortest base URL wins: most clients use `/v1`.
            return max(fitting, key=lambda each: (len(commonpath([_base(each) or "/", _plain(path)])), -len(_base(each))))
    return None


def may_be_meant(dialect: Mount, path: str, *, exists: Callable[[str], bool]) -> bool:
    """Whether a client of this dialect may ask for an unknown path, because its base URL is wrong or lacks the version."""
    return any(_serves(dialect, version + end, exists) for end in _ends(path) for version in ("", "/v1"))


def _serves(dialect: Mount, end: str, exists: Callable[[str], bool]) -> bool:
    path = _base(dialect) + end
    return owner(path, {}) is dialect and exists(path)


def _base(dialect: Mount) -> str:
    return next(iter(dialect.bases.values()))


def _ends(path: str) -> list[str]:
    """The ends of a path, the longest first. Each leaves out some of its first segments."""
    plain = _plain(path)
    return [plain[match.start() :] for match in re.finditer("/", plain)][-MOST_SEGMENTS:]


def _plain(path: str) -> str:
    return re.sub("/+", "/", path).rstrip("/")


def _mounted() -> list[Mount]:
    """Each dialect without `recognises`, once, in the order of mounting."""
    found: list[Mount] = []
    for known in _by_prefix.values():
        found += [each for each in known if each.recognises is None and each not in found]
    return found
