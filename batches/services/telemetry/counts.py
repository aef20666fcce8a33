"""counts: what this process has counted since it last told the database. Counting takes a microsecond and no I/O."""

import os
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import partial

from django.db import transaction

from batches.services.telemetry.catalogue import Counted

Key = tuple[str, tuple[str, ...]]  # the name of a counter, and the values of its labels
SUM = "sum"  # the last label of a histogram's row with the sum of its values
OVER = "+Inf"  # the last label of its row for values above every bound

_lock = threading.Lock()
_counted: dict[Key, float] = {}


def count(counted: Counted, *labels: str, by: float = 1) -> None:
    """Add to a counter. `labels` are in the order of the catalogue."""
    assert len(labels) == len(counted.labels)
    if by:
        with _lock:
            _add((counted.name, labels), by)


def observe(counted: Counted, *labels: str, seconds: Iterable[float]) -> None:
    """Add values to a histogram."""
    assert len(labels) == len(counted.labels)
    bounds = counted.buckets
    found = [0] * (len(bounds) + 1)
    total = 0.0
    for value in seconds:
        found[bisect_left(bounds, value)] += 1
        total += value
    with _lock:
        for place, number in enumerate(found):
            if number:
                _add((counted.name, (*labels, bound_label(counted, place))), number)
        if any(found):
            _add((counted.name, (*labels, SUM)), total)


def count_on_commit(counted: Counted, *labels: str, by: float = 1) -> None:
    """Add to a counter once the transaction has committed; at once outside of one. What is rolled back never counts."""
    if by:
        transaction.on_commit(partial(count, counted, *labels, by=by), robust=True)


def bound_label(counted: Counted, place: int) -> str:
    """The last label of the row of a histogram's bucket."""
    return str(counted.buckets[place]) if place < len(counted.buckets) else OVER


def take() -> dict[Key, float]:
    """Everything that was counted since the last call."""
    global _counted
    with _lock:
        taken, _counted = _counted, {}
    return taken


def put_back(taken: Mapping[Key, float]) -> None:
    """Keep counts that could not be told."""
    with _lock:
        for key, number in taken.items():
            _add(key, number)


def anything() -> bool:
    """Whether something was counted since it was last told."""
    return bool(_counted)


def _add(key: Key, number: float) -> None:
    _counted[key] = _counted.get(key, 0) + number


def _forget() -> None:
    """Forget the counts in a forked child: its parent tells them."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    take()


os.register_at_fork(after_in_child=_forget)
