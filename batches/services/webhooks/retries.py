"""retries: the rule that says when a delivery is tried again."""

import random
from datetime import datetime, timedelta

FIRST_PAUSE = timedelta(seconds=5)
FACTOR = 4  # each pause is so many times as long as the one before, up to LONGEST_PAUSE
LONGEST_PAUSE = timedelta(hours=6)
LONGEST_WISH = timedelta(hours=1)  # of a receiver that says when to come again
JITTER = 0.2  # the share by which a pause may be shorter or longer, so that deliveries do not come in waves


def next_try(*, attempts: int, now: datetime, until: datetime, retry_after: float | None = None) -> datetime | None:
    """When a delivery with so many failed tries is tried again; None if that would be later than `until`.

    `retry_after` is the receiver's wish in seconds. It only makes the pause longer.
    """
    pause = min(FIRST_PAUSE * FACTOR ** min(attempts - 1, 10), LONGEST_PAUSE) * random.uniform(1 - JITTER, 1 + JITTER)
    if retry_after is not None:
        pause = max(pause, min(timedelta(seconds=retry_after), LONGEST_WISH))
    return now + pause if now + pause <= until else None
