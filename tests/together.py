"""Calls that begin at the same moment, each in a thread and on a database connection of its own."""

import threading
from collections.abc import Callable
from queue import Queue as Mailbox
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def at_once(*calls: Callable[[], T]) -> list[T | Exception]:
    """What came of calls, which all began before any went on: what they returned, or raised."""
    start = threading.Barrier(len(calls))
    came: Mailbox[T | Exception] = Mailbox()

    def run(call: Callable[[], T]) -> None:
        try:
            start.wait(10)
            came.put(call())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            came.put(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [came.get(timeout=1) for _ in calls]
