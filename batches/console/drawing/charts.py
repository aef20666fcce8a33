"""Charts for inline SVG, as plain numbers in percent of their box. Each chart has its content in words, too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.functional import cached_property

WIDTH, HEIGHT = 100, 24  # the size of a sparkline's box


@dataclass(frozen=True)
class Sparkline:
    """The values of one number over time, the oldest first. `what` names the number."""

    values: Sequence[float]
    what: str
    tone: str = "run"

    @property
    def points(self) -> str:
        """The points of the line, for an SVG of 100 by 24, with room for the stroke."""
        if not self.values:
            return ""
        top = max(self.values) or 1
        step = WIDTH / max(len(self.values) - 1, 1)
        line = [f"{at * step:.1f},{HEIGHT - 2 - (HEIGHT - 4) * value / top:.1f}" for at, value in enumerate(self.values)]
        return " ".join(line if len(line) > 1 else [*line, f"{WIDTH},{line[0].split(',')[1]}"])

    @property
    def words(self) -> str:
        """The content of the line in words, for screen readers."""
        if not self.values:
            return f"{self.what}: none"
        last, lowest, highest = map(_short, (self.values[-1], min(self.values), max(self.values)))
        return f"{self.what}: {last} at the end, between {lowest} and {highest}"


@dataclass(frozen=True)
class Series:
    """One colour of a chart: its meaning, and a value for each place."""

    name: str
    tone: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle, in percent of the chart's box."""

    x: str
    y: str
    width: str
    height: str
    tone: str


@dataclass(frozen=True, slots=True)
class Place:
    """One column of a chart: its label, its bars from the bottom up, and its content in words."""

    label: str
    x: str
    width: str
    bars: tuple[Bar, ...]
    values: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class BarChart:
    """Stacked columns: over time, or a histogram. `labels` has a label for each place; `what` names the counted things."""

    what: str
    labels: Sequence[str]
    series: Sequence[Series]
    unit: str = ""

    @cached_property
    def top(self) -> float:
        """The value at the full height of the chart: the next round number above the highest column."""
        highest = max((sum(column) for column in self._columns()), default=0)
        step = 1
        while highest > step * 10:
            step *= 10
        return next((step * part for part in (1, 2, 3, 4, 5, 6, 8, 10) if step * part >= highest), 1)

    @property
    def top_words(self) -> str:
        return f"{_short(self.top)} {self.unit}".strip()

    @property
    def is_empty(self) -> bool:
        return not any(any(series.values) for series in self.series)

    @property
    def first_and_last(self) -> tuple[str, str]:
        return (self.labels[0], self.labels[-1]) if self.labels else ("", "")

    @property
    def words(self) -> str:
        """Totals and the highest place, in a sentence."""
        if self.is_empty:
            return f"{self.what}: none"
        totals = ", ".join(f"{_short(sum(series.values))} {series.name.lower()}" for series in self.series)
        columns = [sum(column) for column in self._columns()]
        return f"{self.what}: {totals} in all; the most, {_short(max(columns))}, at {self.labels[columns.index(max(columns))]}"

    @cached_property
    def places(self) -> list[Place]:
        """The columns, left to right."""
        width = 100 / max(len(self.labels), 1)
        return [
            self._place(label, column, at * width, width)
            for at, (label, column) in enumerate(zip(self.labels, self._columns(), strict=True))
        ]

    def _place(self, label: str, column: Sequence[float], x: float, width: float) -> Place:
        gap = min(width * 0.2, 0.6)
        bars, ground = [], 100.0
        for series, value in zip(self.series, column, strict=True):
            height = 100 * value / self.top
            ground -= height
            bars.append(Bar(_percent(x + gap / 2), _percent(ground), _percent(width - gap), _percent(height), series.tone))
        values = tuple(_short(value) for value in column)
        words = ", ".join(f"{value} {series.name.lower()}" for series, value in zip(self.series, values, strict=True))
        return Place(label, _percent(x), _percent(width), tuple(bars), values, f"{label}: {words}")

    def _columns(self) -> Iterable[tuple[float, ...]]:
        return list(zip(*(series.values for series in self.series), strict=True))


def _percent(value: float) -> str:
    """A number in the format of SVG, in any locale."""
    return f"{max(value, 0):.3f}%"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
