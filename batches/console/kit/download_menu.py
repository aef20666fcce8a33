"""Menus of downloads: what can be taken out, with an address for each format."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse
from django.utils.http import urlencode

from batches.models import Batch

FORMATS = (
    ("CSV", {"format": "csv"}),
    ("CSV.gz", {"format": "csv", "compression": "gzip"}),
    ("JSONL", {"format": "jsonl"}),
    ("JSONL.gz", {"format": "jsonl", "compression": "gzip"}),
)
_OUTCOMES = (
    ("Failures", {"outcome": "unsuccessful"}),
    ("Successes", {"outcome": "succeeded"}),
    ("All results", {"outcome": "all"}),
)


@dataclass(frozen=True, slots=True)
class Download:
    """Something to take out: its name, and a word and an address for each format."""

    label: str
    links: tuple[tuple[str, str], ...]


def batch_downloads(batch: Batch) -> Iterator[Download]:
    """The results of a batch. With retries, also the best outcome of each request over all of them."""
    for label, query in _OUTCOMES:
        yield results_download(batch, label, query)
    if batch.parent_id is not None or batch.children.exists():
        for label, query in _OUTCOMES:
            yield results_download(batch, f"{label} after retries", {**query, "scope": "lineage"})


def results_download(batch: Batch, label: str, query: dict[str, str]) -> Download:
    """Results of a batch, in each format. `query` has the parameters that choose them."""
    return in_each_format(label, reverse("console:export_batch", args=[batch.pk]), query)


def in_each_format(label: str, address: str, query: dict[str, str]) -> Download:
    """An export at this address, in each format."""
    return Download(label, tuple((word, f"{address}?{urlencode({**query, **more})}") for word, more in FORMATS))
