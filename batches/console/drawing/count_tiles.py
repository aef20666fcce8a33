"""Tiles: counts, each of which leads to the table of just what it counts."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tile:
    """A count with its name, and where it leads; `title` says more of it. It is chosen when the table shows that already."""

    label: str
    count: int
    tone: str
    address: str
    is_chosen: bool
    title: str = ""


def status_tiles(counts: Iterable[tuple[str, int, str, str]], *, chosen: Collection[str], table: str) -> list[Tile]:
    """Tiles that filter the table with this id by status: label, count, status ("" is every one), and tone."""
    return [
        Tile(label, count, tone, f"?status={status}#{table}" if status else f"?#{table}", status in chosen)
        for label, count, status, tone in counts
    ]
