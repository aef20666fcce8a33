"""How long a batch's objects took: a histogram over a sample that is spread evenly over its lines."""

from bisect import bisect_left
from dataclasses import dataclass

from batches.console.drawing.charts import BarChart, Series
from batches.console.drawing.words import took
from batches.models import Batch, BatchObject

SAMPLE = 500  # lines that are looked at, whatever the batch has
BOUNDS_MS = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000)


@dataclass(frozen=True, slots=True)
class Latency:
    """The histogram, and in words what half of the objects and nearly all took at most."""

    chart: BarChart
    words: str
    is_sample: bool


def latency(batch: Batch) -> Latency | None:
    """The latencies of the batch's objects, of at most SAMPLE of them; None while there are none. One query."""
    total = batch.counts.total
    step = max(-(-total // SAMPLE), 1)
    lines = range(1, total + 1, step)
    objects = BatchObject.objects.filter(batch=batch, line__in=lines, latency_ms__isnull=False)
    found = objects.order_by().values_list("latency_ms", flat=True) if total else ()
    took_ms = sorted(value for value in found if value is not None)
    if not took_ms:
        return None
    return Latency(_histogram(took_ms), _in_words(took_ms), is_sample=step > 1)


def _histogram(values: list[int]) -> BarChart:
    """Columns from the first to the last that has any."""
    counts = [0] * (len(BOUNDS_MS) + 1)
    for value in values:
        counts[bisect_left(BOUNDS_MS, value)] += 1
    labels = [f"≤ {took(bound)}" for bound in BOUNDS_MS] + [f"> {took(BOUNDS_MS[-1])}"]
    used = [at for at, count in enumerate(counts) if count]
    part = slice(used[0], used[-1] + 1)
    return BarChart("Objects by latency", labels[part], [Series("Objects", "run", counts[part])])


def _in_words(values: list[int]) -> str:
    """Of values in their order."""
    half, nearly_all = (values[min(int(len(values) * share), len(values) - 1)] for share in (0.5, 0.95))
    return f"Half within {took(half)}, 95 % within {took(nearly_all)}."
