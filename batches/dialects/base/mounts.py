"""Which dialect a path belongs to, so that whatever fails there is answered in the dialect's words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from batches.dialects.base.errors import ErrorRenderer


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a dialect lives. No path ends in a slash.

    `base` is what its clients are given as base URL, after the host. `prefixes` are the paths it answers for: its own,
    and those that only its clients with a wrong base URL ask for. A longer prefix of another dialect goes before.

    With a `header`, it answers only for requests that have it, and with nothing but errors: it is where the dialect's
    original has something that the portal does not, under a path that is another dialect's here.
    """

    base: str
    render_error: ErrorRenderer
    prefixes: tuple[str, ...]
    header: str = ""
    advice: str = ""  # what helps whoever asks for a path that is not there; unless given, the base URL


_by_prefix: dict[str, Mount] = {}


def mount(dialect: Mount) -> None:
    """Make a dialect known."""
    for prefix in dialect.prefixes:
        _by_prefix[prefix] = dialect


def owner(path: str, headers: Mapping[str, str]) -> Mount | None:
    """The dialect with the longest prefix of this path, in whole segments, among those that answer for such a request.

    A slash that was doubled where a base URL met a path is taken for one.
    """
    prefix = re.sub("/+", "/", path).rstrip("/")
    while prefix:
        found = _by_prefix.get(prefix)
        if found and (not found.header or found.header in headers):
            return found
        prefix = prefix.rpartition("/")[0]
    return None
