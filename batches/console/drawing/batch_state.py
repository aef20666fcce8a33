"""The state of a batch, in one word, one tone and one sentence; and its progress."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from batches.models import Batch
from batches.rules.states import BatchStatus
from providers.failures import Kind


class Tone(StrEnum):
    """The meaning of a colour. The words beside a colour always say the same, so that nobody needs to see it."""

    WAIT = "wait"
    RUN = "run"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    MUTE = "mute"


@dataclass(frozen=True, slots=True)
class BatchState:
    """`word` is for a badge, `sentence` for the page of the batch."""

    word: str
    tone: Tone
    sentence: str


TONES: dict[BatchStatus, Tone] = {
    BatchStatus.VALIDATING: Tone.WAIT,
    BatchStatus.IN_PROGRESS: Tone.RUN,
    BatchStatus.FINALIZING: Tone.RUN,
    BatchStatus.CANCELLING: Tone.WARN,
    BatchStatus.COMPLETED: Tone.GOOD,
    BatchStatus.FAILED: Tone.BAD,
    BatchStatus.EXPIRED: Tone.BAD,
    BatchStatus.CANCELLED: Tone.MUTE,
}


def state_of_batch(
    batch: Batch, *, now: datetime, stuck: bool = False, stopped: bool = False, hold: Kind | None = None
) -> BatchState:
    """The state of a batch: its status, refined by its counts, acts of operators and limits of the upstream.

    `stopped` tells whether an emergency stop holds back all sending of the batch. `hold` is the kind of failure for which the
    batch's provider is held.
    """
    status = BatchStatus(batch.status)
    plain = BatchState(status.label.capitalize(), TONES[status], status.sentence)
    if stopped and status == BatchStatus.IN_PROGRESS:
        return BatchState("Stopped", Tone.BAD, "An emergency stop lets nothing of it be sent. Its deadline goes on.")
    if batch.is_paused:
        return BatchState("Paused", Tone.WARN, "Its waiting objects are not sent until somebody resumes it.")
    if batch.is_blocked(now=now):
        return BatchState("Blocked", Tone.BAD, "A worker cannot carry it out as it is set up, and no other works on it.")
    if hold is not None and status == BatchStatus.IN_PROGRESS:
        return _held(hold)
    if batch.is_throttled(now=now):
        return BatchState("Throttled", Tone.WARN, "The provider's limits hold its waiting objects back for a while.")
    if stuck:
        return BatchState(f"{plain.word}, stuck", Tone.BAD, "Nobody works on it, and nothing has happened for a while.")
    if status == BatchStatus.FAILED and batch.error_count:
        return BatchState("Failed", Tone.BAD, "Its input was not valid. Nothing was sent to the provider.")
    if batch.is_terminal and batch.recovered and not batch.net_counts.unsuccessful:
        total, recovered = batch.counts.total, batch.recovered
        return BatchState("Succeeded after retries", Tone.GOOD, f"All {total:,} requests succeeded, {recovered:,} in a retry.")
    if status != BatchStatus.COMPLETED or not batch.counts.failed:
        return plain
    failed, total = batch.counts.failed, batch.counts.total
    if failed == total:
        return BatchState(f"All {total:,} failed", Tone.BAD, "It ran to its end, and none of its objects succeeded.")
    return BatchState(f"Completed with {failed:,} failed", Tone.WARN, "It ran to its end; some of its objects failed.")


def _held(hold: Kind) -> BatchState:
    if hold.is_of_account:
        return BatchState("Account problem", Tone.BAD, "Its requests wait until the account of its provider works again.")
    return BatchState("Throttled", Tone.WARN, "The provider asks to wait for long; it gets one request now and then.")


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
        return Progress(text="No objects" if batch.is_terminal else "Not counted yet")
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
