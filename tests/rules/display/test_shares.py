import hypothesis.strategies as st
import pytest
from hypothesis import given

from batches.rules.display.shares import share_in_words, shares


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([75, 50, 25], [50, 33, 17]),
        ([1, 1, 1], [34, 33, 33]),
        ([996, 4], [100, 0]),
        ([1] * 7, [15, 15, 14, 14, 14, 14, 14]),
        ([5], [100]),
        ([0, 0], [0, 0]),
        ([], []),
    ],
)
def test_shares_of_a_whole_add_up_to_100(parts: list[int], found: list[int]) -> None:
    """O24: three thirds were 33 % each, and two halves of 75 rounded down lost a percent."""
    assert shares(parts) == found


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60), st.integers(0, 10**9))
def test_they_do_so_for_any_parts_and_with_a_rest_that_is_not_named(parts: list[int], rest: int) -> None:
    total = sum(parts) + rest
    if not total:
        return
    assert sum(shares([*parts, rest])) == 100
    assert shares(parts, total=total) == shares([*parts, rest])[:-1]
    assert all(abs(share - 100 * part / total) < 1 for share, part in zip(shares(parts, total=total), parts, strict=True))


def test_parts_that_are_more_than_the_total_are_shares_of_their_sum() -> None:
    assert shares([3, 1], total=2) == [75, 25]


@pytest.mark.parametrize(
    ("share", "part", "words"), [(0, 0, "0 %"), (0, 4, "<1 %"), (100, 996, ">99 %"), (100, 1000, "100 %"), (50, 500, "50 %")]
)
def test_words_hide_no_small_part_and_no_small_rest(share: int, part: int, words: str) -> None:
    assert share_in_words(share, part=part, total=1000) == words
