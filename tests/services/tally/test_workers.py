"""Which workers are taken to be alive, and which executors have a seat."""

import os
import subprocess
import sys
import threading
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Worker
from batches.models.worker import ALIVE_FOR
from batches.services.tally.workers import forget_killed, heartbeat, leave, leave_seat, take_seat
from batches.services.telemetry.process import process_identity
from tests.together import thread

pytestmark = pytest.mark.django_db

HERE = process_identity().rsplit("/", 2)[0]
STARTED = process_identity().rpartition("/")[2]


def worker(place: str, pid: int, started: str = STARTED, *, role: Worker.Role = Worker.Role.EXECUTE) -> Worker:
    now = timezone.now()
    return Worker.objects.create(role=role, name=f"host:{pid}", process=f"{place}/{pid}/{started}", started_at=now, seen_at=now)


@pytest.fixture
def ended() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_an_executor_whose_process_was_killed_is_not_waited_for(ended: int) -> None:
    worker(HERE, ended)

    forget_killed()

    assert list(Worker.objects.all()) == []


def test_executors_that_run_or_run_elsewhere_and_other_workers_stay(ended: int) -> None:
    """E13: a container with the same host name has another namespace of process ids."""
    host, boot, _ = HERE.split("/")
    staying = {
        worker(HERE, os.getpid()),
        worker("elsewhere", ended),
        worker(f"{host}/{boot}/1", ended),
        worker(HERE, ended, role=Worker.Role.CONTROL),
    }

    forget_killed()

    assert set(Worker.objects.all()) == staying


def test_a_process_that_began_later_under_the_same_id_is_another_one() -> None:
    """E13"""
    worker(HERE, os.getpid(), started="1")

    forget_killed()

    assert list(Worker.objects.all()) == []


def test_what_a_worker_cannot_do_is_told_with_it() -> None:
    """E4"""
    identifier = uuid.uuid4()
    heartbeat(identifier, role=Worker.Role.EXECUTE, now=timezone.now(), trouble="No credential." * 100)
    assert Worker.objects.get().trouble.startswith("No credential.")
    heartbeat(identifier, role=Worker.Role.EXECUTE, now=timezone.now())
    assert Worker.objects.get().trouble == ""


# --- Seats --------------------------------------------------------------------------------------------------


def test_as_many_executors_have_a_seat_as_there_are(settings: Settings) -> None:
    """E2"""
    settings.EXECUTORS = 2
    now = timezone.now()
    first, second, third = (uuid.uuid4() for _ in range(3))
    assert [take_seat(one, now=now) for one in (first, second, third)] == [True, True, False]
    assert take_seat(first, now=now), "it has one already"
    leave(second)
    assert take_seat(third, now=now)


def test_a_dead_executors_seat_frees_itself(settings: Settings) -> None:
    """E2"""
    settings.EXECUTORS = 1
    now = timezone.now()
    dead, living = uuid.uuid4(), uuid.uuid4()
    assert take_seat(dead, now=now)
    assert not take_seat(living, now=now + ALIVE_FOR - timedelta(seconds=1))
    assert take_seat(living, now=now + ALIVE_FOR)
    assert not take_seat(dead, now=now + ALIVE_FOR), "it comes back too late"


def test_an_executor_that_only_brings_work_home_leaves_its_seat_and_is_still_alive(settings: Settings) -> None:
    """E2"""
    settings.EXECUTORS = 1
    now = timezone.now()
    first, second = uuid.uuid4(), uuid.uuid4()
    take_seat(first, now=now)
    leave_seat(first)
    assert take_seat(second, now=now)
    assert Worker.objects.alive(now=now).count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seats", [1, 3])
def test_of_many_that_come_at_once_no_more_get_a_seat_than_there_are(settings: Settings, seats: int) -> None:
    """E2: sixteen executors that are woken at the same moment, each with a connection of its own."""
    settings.EXECUTORS = seats
    together, got = threading.Barrier(16), []

    def come() -> None:
        together.wait()
        got.append(take_seat(uuid.uuid4(), now=timezone.now()))

    threads = [thread(come) for _ in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(got) == [False] * (16 - seats) + [True] * seats
    assert list(Worker.objects.order_by("seat").values_list("seat", flat=True)) == list(range(seats))
