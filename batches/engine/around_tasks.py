"""What happens before and after each Celery task: its id goes into log lines, and its process tells what it has counted."""

from typing import Any

from celery import Task
from celery.signals import task_postrun, task_prerun
from django.utils import timezone

from batches.services.telemetry import log_context
from batches.services.telemetry.hand_in import hand_in_quietly, reporter


@task_prerun.connect
def before(task_id: str, task: Task[Any, Any], **_: object) -> None:
    """Note the task, and the role of its worker: the host name of a worker of `serve` is `ROLE@HOST`."""
    log_context.keep({log_context.TASK: task_id, log_context.TASK_NAME: task.name})
    role, at, _host = str(task.request.hostname).partition("@")
    if at:
        reporter.role = role[:16]


@task_postrun.connect
def after(**_: object) -> None:
    """Tell the database what was counted. The ids of the task end."""
    hand_in_quietly(now=timezone.now())
    log_context.keep({})
