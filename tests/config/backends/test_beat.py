"""The beat's scheduler."""

import time
from typing import Any

from celery.beat import ScheduleEntry

from config.backends.beat import Scheduler
from config.celery import app

DUE_SECONDS = 0.05


class Listener(Scheduler):
    """Says what is due, and sends nothing."""

    said = 0

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        self.said += 1


def test_it_sleeps_until_something_is_due_and_does_not_spin() -> None:
    scheduler = Listener(app=app, schedule={}, lazy=True)
    scheduler.add(name="look", task="look", schedule=DUE_SECONDS)
    started, ticks = time.monotonic(), 0

    while scheduler.said < 4:
        time.sleep(scheduler.tick())
        ticks += 1

    assert time.monotonic() - started >= 4 * DUE_SECONDS
    assert ticks <= 3 * scheduler.said
