"""The threads that Django runs in are shared fairly, and given away by who waits for a client."""

import threading
import time
from collections.abc import Callable

import pytest

from config.front.threads import NoRoom, Threads
from tests.waiting import PATIENCE, until


class Gate:
    """Jobs that wait until they are let go."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self.begun: list[str] = []
        self.ended: list[str] = []

    def job(self, name: str) -> Callable[[], None]:
        def run() -> None:
            with self._lock:
                self.begun.append(name)
            self._opened.wait(PATIENCE)
            with self._lock:
                self.ended.append(name)

        return run

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_a_client_has_half_of_the_slots_at_most(gate: Gate) -> None:
    threads = Threads(4, guests=1)
    for number in range(6):
        threads.submit(gate.job(f"greedy {number}"), client="greedy")
    threads.submit(gate.job("other"), client="other")

    until(lambda: len(gate.begun) == 3)
    assert gate.begun == ["greedy 0", "greedy 1", "other"]

    gate.open()
    until(lambda: len(gate.ended) == 7)


def test_clients_that_wait_have_their_turns_one_after_the_other(gate: Gate) -> None:
    threads = Threads(2, guests=1)
    for client in ("a", "b"):
        threads.submit(gate.job(client), client=client)
    for name in ("a1", "a2", "a3", "b1", "c1"):
        threads.submit(gate.job(name), client=name[0])

    gate.open()
    until(lambda: len(gate.ended) == 7)
    assert gate.begun[:2] == ["a", "b"]
    assert gate.begun.index("c1") < gate.begun.index("a2")
    assert gate.begun.index("b1") < gate.begun.index("a2")


def test_with_one_slot_everybody_has_a_turn(gate: Gate) -> None:
    threads = Threads(1, guests=1)
    for number in range(3):
        threads.submit(gate.job(f"a{number}"), client="a")
    threads.submit(gate.job("b"), client="b")

    gate.open()
    until(lambda: len(gate.ended) == 4)
    assert gate.begun.index("b") < gate.begun.index("a2")


def test_a_thread_that_waits_for_its_client_gives_its_slot_away_and_gets_one_again(gate: Gate) -> None:
    threads = Threads(1, guests=1)
    came, order = threading.Event(), list[str]()

    def upload() -> None:
        order.append("upload begins")
        with threads.waiting_for_client("slow"):
            came.wait(PATIENCE)
        order.append("upload goes on")

    threads.submit(upload, client="slow")
    until(lambda: order == ["upload begins"])
    threads.submit(gate.job("quick"), client="quick")
    until(lambda: gate.begun == ["quick"])
    came.set()
    time.sleep(0.01)
    assert order == ["upload begins"]  # the slot is taken

    gate.open()
    until(lambda: order == ["upload begins", "upload goes on"])


def test_only_so_many_threads_may_wait_for_their_clients() -> None:
    threads = Threads(4, guests=1)
    came, refused = threading.Event(), threading.Event()
    waits = threading.Event()

    def first() -> None:
        with threads.waiting_for_client("a"):
            waits.set()
            came.wait(PATIENCE)

    def second() -> None:
        try:
            with threads.waiting_for_client("b"):
                pass
        except NoRoom:
            refused.set()

    threads.submit(first, client="a")
    assert waits.wait(PATIENCE)
    threads.submit(second, client="b")

    assert refused.wait(PATIENCE)
    came.set()


def test_threads_are_used_again() -> None:
    threads = Threads(2, guests=1)
    used: set[int] = set()
    done = threading.Semaphore(0)

    def job() -> None:
        used.add(threading.get_ident())
        done.release()

    for _ in range(50):
        threads.submit(job, client="a")
        assert done.acquire(timeout=PATIENCE)
        time.sleep(0.001)

    assert len(used) <= 2
