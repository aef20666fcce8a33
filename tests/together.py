"""Calls in threads of their own, each on a database connection of its own, and calls that begin at the same moment."""

import threading
from collections.abc import Callable
from functools import partial
from queue import Queue as Mailbox
from typing import TypeVar

from django.db import connections

from tests.waiting import PATIENCE

T = TypeVar("T")


def thread(call: Callable[[], object]) -> threading.Thread:
    """A thread that makes a call. At its end it closes the connections that it made: nobody else can."""

    def run() -> None:
        try:
            call()
        finally:
            connections.close_all()

    return threading.Thread(target=run)


def at_once(*calls: Callable[[], T]) -> list[T | Exception]:
    """What came of calls, which all began before any went on: what they returned, or raised."""
    start = threading.Barrier(len(calls))
    came: Mailbox[T | Exception] = Mailbox()

    def run(call: Callable[[], T]) -> None:
        try:
            start.wait(PATIENCE)
            came.put(call())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            came.put(error)

    threads = [thread(partial(run, call)) for call in calls]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE)
    return [came.get(timeout=1) for _ in calls]
