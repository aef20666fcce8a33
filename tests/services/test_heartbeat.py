"""Which workers are taken to be alive."""

import os
import socket
import subprocess
import sys

import pytest
from django.utils import timezone

from batches.models import Worker
from batches.services.heartbeat import forget_killed

pytestmark = pytest.mark.django_db


def worker(host: str, pid: int, *, role: Worker.Role = Worker.Role.EXECUTE) -> Worker:
    now = timezone.now()
    return Worker.objects.create(role=role, name=f"{host}:{pid}", started_at=now, seen_at=now)


@pytest.fixture
def ended() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_an_executor_whose_process_was_killed_is_not_waited_for(ended: int) -> None:
    worker(socket.gethostname(), ended)

    forget_killed()

    assert list(Worker.objects.all()) == []


def test_executors_that_run_or_run_elsewhere_and_other_workers_stay(ended: int) -> None:
    staying = {
        worker(socket.gethostname(), os.getpid()),
        worker("elsewhere", ended),
        worker(socket.gethostname(), ended, role=Worker.Role.CONTROL),
    }

    forget_killed()

    assert set(Worker.objects.all()) == staying
