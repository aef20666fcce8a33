"""The metrics as a reader gets them: by name and labels."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from batches.services.insight.metrics.collect import collect
from batches.services.telemetry import counts
from batches.services.telemetry.hand_in import hand_in

Read = Callable[..., dict[str, float]]


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """What the process of the tests has counted before a test is no part of it."""
    counts.take()


@pytest.fixture
def read() -> Read:
    """The values of one metric by its labels: `read("batchyard_batches", "status")` is {"validating": 0, …}."""

    def read(name: str, *labels: str) -> dict[str, float]:
        now = timezone.now()
        hand_in(now=now)
        return {
            ",".join(sample.labels[label] for label in labels): sample.value
            for metric in collect(now=now)
            for sample in metric.samples
            if sample.name == name
        }

    return read
