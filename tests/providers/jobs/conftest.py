"""The stand-in for batch APIs, and each family of them."""

from collections.abc import Iterator

import pytest

from tests.batch_apis import BatchApis
from tests.providers.jobs.driving import FAMILIES, Driving


@pytest.fixture
def apis() -> Iterator[BatchApis]:
    """The stand-in, listening."""
    with BatchApis() as served:
        yield served


@pytest.fixture(params=FAMILIES)
def driving(request: pytest.FixtureRequest, apis: BatchApis) -> Driving:
    """Each family in turn."""
    return Driving(request.param, apis)
