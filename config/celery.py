"""The Celery application: two queues, `control` and `execute`, and the beat that reconciles."""

import os

from celery import Celery
from celery.signals import setup_logging, task_prerun, worker_shutting_down
from django.db import close_old_connections

from batches.engine.shutdown import stopping
from config.backends import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

broker.install()


def application(name: str, *, set_as_current: bool = True) -> Celery:
    """An application with the portal's settings and tasks. Its workers share one choice of queues: that is Celery's way."""
    made = Celery(name, amqp=broker.AMQP, set_as_current=set_as_current)
    made.config_from_object("django.conf:settings", namespace="CELERY")
    made.autodiscover_tasks(["batches.engine"])
    return made


app = application("batchyard")


@setup_logging.connect
def keep_django_logging(**_: object) -> None:
    """Somebody who listens here, so that Celery leaves Django's logging configuration as it is."""


@task_prerun.connect
def drop_dead_connections(**_: object) -> None:
    """Connections outlive tasks (CELERY_DB_REUSE_MAX): before each task, let Django check anew the one it has."""
    close_old_connections()


@worker_shutting_down.connect
def tell_executors(**_: object) -> None:
    """Celery waits for running tasks: let executors bring home what is in flight instead of running their full time."""
    stopping.set()
