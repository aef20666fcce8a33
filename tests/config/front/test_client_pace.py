"""How long the portal waits for a client that sends or reads slowly."""

import pytest

from config.front.client_pace import Pace, Progress

PACE = Pace(seconds=10.0, bytes=1000)


@pytest.mark.parametrize(
    ("moves", "given_up_at"),
    [
        ({}, 10),  # nothing at all
        ({5: 999}, 10),
        ({5: 1000}, 20),  # and then nothing
        ({9: 5000}, 20),  # a burst is no credit for later
        (dict.fromkeys(range(1, 61), 100), None),
        (dict.fromkeys(range(1, 61), 99), 10),
        ({1: 1000, 11: 1000, 21: 1}, 30),
    ],
)
def test_a_client_is_given_up_after_the_first_stretch_in_which_too_little_moved(
    moves: dict[int, int], given_up_at: int | None
) -> None:
    progress, moved = Progress(0.0, 0), 0
    found = None
    for second in range(1, 61):
        moved += moves.get(second, 0)
        if progress.is_too_slow(PACE, moved=moved, now=float(second)):
            found = second
            break

    assert found == given_up_at
