"""The state of a batch as pages draw it, with a tone; and its progress. `services.standing` decides about the state."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from batches.models import Batch
from batches.services.standing.batch_state import BatchCode, BatchState


class Tone(StrEnum):
    """The meaning of a colour. The words beside a colour always say the same, so that nobody needs to see it."""

    WAIT = "wait"
    RUN = "run"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    MUTE = "mute"


@dataclass(frozen=True, slots=True)
class Badge:
    """A state as pages draw it: `word` in a badge of this tone, and `sentence` beside it."""

    word: str
    tone: Tone
    sentence: str
    until: datetime | None = None


TONES: dict[BatchCode, Tone] = {
    BatchCode.VALIDATING: Tone.WAIT,
    BatchCode.INPUT_OUT_OF_REACH: Tone.BAD,
    BatchCode.SENDING_STOPPED: Tone.BAD,
    BatchCode.PAUSED: Tone.WARN,
    BatchCode.PROVIDER_DISABLED: Tone.BAD,
    BatchCode.BLOCKED: Tone.BAD,
    BatchCode.ACCOUNT_PROBLEM: Tone.BAD,
    BatchCode.PROVIDER_DOWN: Tone.BAD,
    BatchCode.NOT_ANSWERING: Tone.BAD,
    BatchCode.RATE_LIMITED: Tone.WARN,
    BatchCode.THROTTLED: Tone.WARN,
    BatchCode.HANDING_OVER: Tone.WAIT,
    BatchCode.WAITING_FOR_ROOM: Tone.WAIT,
    BatchCode.AT_PROVIDER: Tone.RUN,
    BatchCode.UNCERTAIN: Tone.WARN,
    BatchCode.COLLECTING: Tone.RUN,
    BatchCode.NO_PROGRESS: Tone.BAD,
    BatchCode.IN_PROGRESS: Tone.RUN,
    BatchCode.DEADLINE_PASSED: Tone.WARN,
    BatchCode.FINALIZING: Tone.RUN,
    BatchCode.CANCELLING: Tone.WARN,
    BatchCode.COMPLETED: Tone.GOOD,
    BatchCode.RECOVERED: Tone.GOOD,
    BatchCode.PARTLY_FAILED: Tone.WARN,
    BatchCode.ALL_FAILED: Tone.BAD,
    BatchCode.INPUT_INVALID: Tone.BAD,
    BatchCode.FAILED: Tone.BAD,
    BatchCode.EXPIRED: Tone.BAD,
    BatchCode.CANCELLED: Tone.MUTE,
}


def badge(state: BatchState) -> Badge:
    """The state of a batch as pages draw it."""
    return Badge(state.word, TONES[state.code], state.sentence, state.until)


@dataclass(frozen=True, slots=True)
class Progress:
    """The parts of a bar, in percent of its length, and the words beside it. Objects that did not run count as not done."""

    succeeded: float = 0
    failed: float = 0
    percent: str = ""
    text: str = ""


def progress(batch: Batch) -> Progress:
    """The progress of a batch. Only an ended batch has 100 %. Rounding makes no small part 0 %, and no large part 100 %."""
    counts = batch.counts
    if not counts.total:
        return Progress(text="No requests" if batch.is_terminal else "Not counted yet")
    ran = counts.succeeded + counts.failed
    named = (("failed", counts.failed), ("cancelled", counts.cancelled), ("expired", counts.expired))
    return Progress(
        succeeded=round(100 * counts.succeeded / counts.total, 2),
        failed=round(100 * counts.failed / counts.total, 2),
        percent=percent(ran, counts.total, ended=batch.is_terminal),
        text=" · ".join([f"{ran:,} of {counts.total:,}", *(f"{count:,} {word}" for word, count in named if count)]),
    )


def percent(part: int, total: int, *, ended: bool) -> str:
    """A share in whole percent, rounded down."""
    if ended and part == total:
        return "100 %"
    share = 100 * part // total
    if share < 1 and part:
        return "<1 %"
    return ">99 %" if 100 * part > 99 * total else f"{share} %"
