"""The latencies of a batch's objects: a histogram of a sample that is spread evenly over the lines."""

from bisect import bisect_left
from dataclasses import dataclass

from batches.console.drawing.charts import BarChart, Series
from batches.console.drawing.words import took
from batches.models import Batch, BatchObject

SAMPLE = 500  # the most lines in the sample
BOUNDS_MS = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000)


@dataclass(frozen=True, slots=True)
class Latency:
    """The histogram, and in words the longest time of half of the objects, and of nearly all."""

    chart: BarChart
    words: str
    is_sample: bool


def latency(batch: Batch) -> Latency | None:
    """The latencies of at most SAMPLE objects of the batch, found with one query; None while there are none."""
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
    """The columns from the first to the last that has a value."""
    counts = [0] * (len(BOUNDS_MS) + 1)
    for value in values:
        counts[bisect_left(BOUNDS_MS, value)] += 1
    labels = [f"≤ {took(bound)}" for bound in BOUNDS_MS] + [f"> {took(BOUNDS_MS[-1])}"]
    used = [at for at, count in enumerate(counts) if count]
    part = slice(used[0], used[-1] + 1)
    return BarChart("Requests by latency", labels[part], [Series("Objects", "run", counts[part])])


def _in_words(values: list[int]) -> str:
    """The latencies in words; `values` are sorted."""
    half, nearly_all = (values[min(int(len(values) * share), len(values) - 1)] for share in (0.5, 0.95))
    return f"Half within {took(half)}, 95 % within {took(nearly_all)}."
