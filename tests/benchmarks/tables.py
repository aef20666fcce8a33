"""Small tables for people."""

import statistics
from collections.abc import Iterable, Sequence

MB = 1024**2


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Aligned columns under their heads: the first to the left, the others to the right."""
    cells = [list(heads), *([_text(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line(row, widths) for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}"
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def verdict(value: float, *, at_least: float | None = None, at_most: float | None = None) -> str:
    """`met` or `missed`, and the goal."""
    if at_least is not None:
        return f"{'met' if value >= at_least else 'MISSED'} (at least {at_least:g})"
    assert at_most is not None
    return f"{'met' if value <= at_most else 'MISSED'} (at most {at_most:g})"
