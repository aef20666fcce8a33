import pytest

from batches.console.drawing.batch_state import TONES, percent
from batches.console.drawing.provider_state import TONES as PROVIDER_TONES
from batches.services.standing.batch_state import BatchCode
from batches.services.standing.provider_state import ProviderCode


def test_every_state_has_a_tone() -> None:
    assert TONES.keys() == set(BatchCode)
    assert PROVIDER_TONES.keys() == set(ProviderCode)


@pytest.mark.parametrize(
    ("part", "total", "ended", "shown"),
    [
        (0, 1000, False, "0 %"),
        (1, 1000, False, "<1 %"),
        (10, 1000, False, "1 %"),
        (999, 2000, False, "49 %"),
        (990, 1000, False, "99 %"),
        (991, 1000, False, ">99 %"),
        (1000, 1000, False, ">99 %"),
        (1000, 1000, True, "100 %"),
        (999, 1000, True, ">99 %"),
        (0, 5, True, "0 %"),
    ],
)
def test_a_share_is_rounded_down_and_neither_end_is_shown_early(part: int, total: int, ended: bool, shown: str) -> None:
    assert percent(part, total, ended=ended) == shown
