"""How fast memory grows, from samples of it."""

import pytest

from tests.benchmarks.soak import MILLION, Sample, slope


def test_the_slope_is_the_growth_over_a_million_objects() -> None:
    samples = [Sample(objects=number * 1000, bytes=100 + number * 2) for number in range(10)]

    assert slope(samples) == pytest.approx(2 * MILLION / 1000)


def test_flat_memory_has_no_slope() -> None:
    assert slope([Sample(objects=number, bytes=7) for number in range(5)]) == 0


@pytest.mark.parametrize("samples", [[], [Sample(1, 5)], [Sample(1, 5), Sample(1, 9)]])
def test_samples_of_one_moment_have_no_slope(samples: list[Sample]) -> None:
    assert slope(samples) == 0
