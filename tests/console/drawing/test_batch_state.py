from datetime import timedelta

import pytest
from django.utils import timezone

from batches.console.drawing.batch_state import TONES, Tone, percent, state_of_batch
from batches.models import Batch
from batches.rules.states import BatchStatus


def test_every_status_has_a_tone() -> None:
    assert TONES.keys() == set(BatchStatus)


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


def test_what_holds_a_batch_back_goes_before_its_status() -> None:
    now = timezone.now()
    later = now + timedelta(minutes=1)
    running = Batch(status=BatchStatus.IN_PROGRESS)
    throttled = Batch(status=BatchStatus.IN_PROGRESS, throttled_until=later)
    paused = Batch(status=BatchStatus.IN_PROGRESS, throttled_until=later, paused_at=now)
    assert (state_of_batch(running, now=now).word, state_of_batch(running, now=now).tone) == ("In progress", Tone.RUN)
    assert state_of_batch(throttled, now=now).word == "Throttled"
    assert state_of_batch(paused, now=now).word == "Paused"


@pytest.mark.parametrize("status", [BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING])
def test_a_stuck_batch_is_named_so_and_red(status: BatchStatus) -> None:
    stands = state_of_batch(Batch(status=status), now=timezone.now(), stuck=True)
    assert stands.word == f"{status.label.capitalize()}, stuck"
    assert stands.tone == Tone.BAD
