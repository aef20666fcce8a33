"""The Celery application: four queues, `control`, `execute`, `delegate` and `notify`, and the beat that reconciles."""

import os

from celery import Celery
from celery.signals import setup_logging, task_prerun, worker_shutting_down
from django.db import close_old_connections

from batches.engine.shutdown import stopping
from config.backends import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

broker.install()


def application(name: str, *, set_as_current: bool = True) -> Celery:
    """A Celery application with the portal's settings and tasks. In Celery, all workers of an application share its queues."""
    made = Celery(name, amqp=broker.AMQP, set_as_current=set_as_current)
    made.config_from_object("django.conf:settings", namespace="CELERY")
    made.autodiscover_tasks(["batches.engine"])
    return made


app = application("batchyard")


@setup_logging.connect
def keep_django_logging(**_: object) -> None:
    """Do nothing: Celery leaves Django's logging configuration alone if this signal has a receiver."""


@task_prerun.connect
def drop_dead_connections(**_: object) -> None:
    """Let Django check its database connection before each task, since connections outlive tasks (CELERY_DB_REUSE_MAX)."""
    close_old_connections()


@worker_shutting_down.connect
def tell_executors(**_: object) -> None:
    """Tell executors to finish the requests in flight and end. Celery waits for them, and they would run for up to an hour."""
    stopping.set()
