"""The Celery application: two queues, `control` and `execute`, and the beat that reconciles."""

import os

from celery import Celery
from celery.signals import setup_logging, task_prerun
from django.conf import settings
from django.db import close_old_connections, connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("batchyard")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["batches.engine"])


@setup_logging.connect
def keep_django_logging(**_: object) -> None:
    """Celery would replace Django's logging configuration unless someone listens here."""
    import logging.config

    logging.config.dictConfig(settings.LOGGING)


@task_prerun.connect
def drop_dead_connections(**_: object) -> None:
    """Connections outlive tasks (CELERY_DB_REUSE_MAX), so each task first checks the one it got."""
    for connection in connections.all(initialized_only=True):
        connection.health_check_enabled = True
        connection.health_check_done = False
    close_old_connections()
