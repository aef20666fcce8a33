"""Before and after each task: its id in log lines, and what it counted in the database."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
from celery import shared_task
from celery.app.task import Context

from batches.engine.around_tasks import before
from batches.engine.database_thread import DatabaseThread
from batches.models import MetricTotal, Project
from batches.services.core.lease import at_work, lease_batch
from batches.services.telemetry import counts, log_context
from batches.services.telemetry.hand_in import reporter
from config.logs import JsonLines
from providers.models import Provider
from tests.cast import request_lines, submitted
from tests.conftest import Queue

logger = logging.getLogger("tests.tasks")


@shared_task(name="tests.speaks")
def speaks() -> None:
    """A task that writes a line."""
    logger.warning("in it")


class Written(logging.Handler):
    """The lines that were written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[dict[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def written() -> Iterator[Written]:
    handler = Written()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def nothing_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process of the tests has counted before a test is no part of it."""
    counts.take()
    monkeypatch.setattr(reporter, "role", reporter.role)


def test_log_lines_of_a_task_name_it_and_those_after_it_do_not(queue: Queue, written: Written) -> None:
    speaks.apply(task_id="one")
    logger.warning("after it")

    inside, after = written.lines
    assert (inside["task_id"], inside["task"]) == ("one", "tests.speaks")
    assert "task_id" not in after


@pytest.mark.django_db(transaction=True)
def test_control_work_names_its_batch(project: Project, simulator: Provider, written: Written) -> None:
    batch = submitted(project, request_lines(1))
    leased = lease_batch(batch.pk, statuses=frozenset({batch.status}), owner=batch.pk, now=batch.created_at)  # type: ignore[arg-type]
    assert leased is not None

    with at_work(leased):
        logger.warning("at work")
    logger.warning("after it")

    assert [line.get("batch_id") for line in written.lines] == [str(batch), None]


@pytest.mark.django_db
def test_a_database_thread_has_the_ids_of_the_task(written: Written) -> None:
    async def work() -> None:
        thread = DatabaseThread("test")
        await thread(logger.warning, "in the thread")
        await thread.close()

    with log_context.bound(task_id="two"):
        asyncio.run(work())

    assert written.lines[0]["task_id"] == "two"


@pytest.mark.both
def test_what_a_task_counts_is_told_when_it_ends(queue: Queue, project: Project) -> None:
    submitted(project, request_lines(3))

    queue.drain()

    assert MetricTotal.objects.get(name="batchyard_batches_ended", labels='["completed"]').total == 1
    assert (
        MetricTotal.objects.get(name="batchyard_objects_settled", labels='["failed"]').total == 3
    )  # by the simulator, for want of messages


@pytest.mark.parametrize(("host", "role"), [("control@machine", "control"), ("embedded-control", "web"), ("", "web")])
def test_a_worker_of_serve_has_the_role_of_its_queue(queue: Queue, host: str, role: str) -> None:
    reporter.role = "web"

    speaks.request_stack.push(Context(hostname=host))
    before("x", speaks)
    speaks.request_stack.pop()
    log_context.keep({})

    assert reporter.role == role
