"""Its Celery application: `celery --app tests.benchmarks.rows.app worker`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.rows.settings")

app = Celery("rows")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
