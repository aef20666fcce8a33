"""Django's settings of the project; where its servers are is told by the environment."""

import os
from typing import Any

import environ

SECRET_KEY = "rows"
DATABASES: dict[str, Any] = {"default": dict(environ.Env.db_url_config(os.environ["ROWS_DATABASE"])) | {"CONN_MAX_AGE": 60}}
INSTALLED_APPS = ["tests.benchmarks.rows"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

CELERY_BROKER_URL = os.environ["ROWS_BROKER"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_DB_REUSE_MAX = 1_000_000  # without it Celery connects anew for each task, whatever CONN_MAX_AGE says
