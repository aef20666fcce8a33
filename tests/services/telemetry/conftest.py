"""What the process of the tests has counted before a test is no part of it."""

import pytest

from batches.services.telemetry import counts


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    counts.take()
