"""Which dialect a path belongs to, so that whatever fails there is answered in the dialect's words."""

from dataclasses import dataclass

from batches.dialects.base.errors import ErrorRenderer


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a dialect lives. No path ends in a slash.

    `base` is what its clients are given as base URL, after the host. `prefixes` are the paths it answers for: its own,
    and those that only its clients with a wrong base URL ask for. A longer prefix of another dialect goes before.
    """

    base: str
    render_error: ErrorRenderer
    prefixes: tuple[str, ...]


_by_prefix: dict[str, Mount] = {}


def mount(dialect: Mount) -> None:
    """Make a dialect known."""
    for prefix in dialect.prefixes:
        _by_prefix[prefix] = dialect


def owner(path: str) -> Mount | None:
    """The dialect with the longest prefix of this path, in whole segments."""
    prefix = path.rstrip("/")
    while prefix:
        if prefix in _by_prefix:
            return _by_prefix[prefix]
        prefix = prefix.rpartition("/")[0]
    return None
