"""Tiles: counts with links. The link of a tile leads to a table of the counted rows."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tile:
    """A count with its name and its link. `title` explains it. A tile is chosen if the table shows the counted rows already."""

    label: str
    count: int
    tone: str
    address: str
    is_chosen: bool
    title: str = ""


def status_tiles(
    counts: Iterable[tuple[str, int, str, str]], *, chosen: Collection[str], table: str, kept: str = ""
) -> list[Tile]:
    """Tiles that filter a table by status. `table` is the table's id. Each count has a label, a count, a status and a tone.

    The status "" stands for all rows. `kept` are further parameters of the page's address.
    """
    return [
        Tile(label, count, tone, f"?status={status}{kept}#{table}" if status else f"?{kept}#{table}", status in chosen)
        for label, count, status, tone in counts
    ]
