"""`/healthz` (this process is alive) and `/readyz` (the portal can do its work, or what it lacks)."""

from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from batches.models import Worker
from batches.models.worker import ALIVE_FOR

PING_SECONDS = 2.0


@never_cache
@require_safe
def alive(_request: HttpRequest) -> JsonResponse:
    """The process answers. Touches nothing else, so that a database that is down restarts no web server."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """Each thing that the portal needs: `ok`, or in a few words what is missing; 503 when anything is."""
    found = checks()
    is_ready = set(found.values()) == {OK}
    return JsonResponse({"status": "ready" if is_ready else "not ready", "checks": found}, status=200 if is_ready else 503)


def checks() -> dict[str, str]:
    """What each thing says that the portal needs."""
    return {name: check() for name, check in CHECKS.items()}


OK = "ok"


def _database() -> str:
    try:
        _ask_database()
    except DatabaseError:
        connection.close()  # it may have broken while nobody used it
        try:
            _ask_database()
        except DatabaseError:
            return "the database does not answer"
    return OK


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> str:
    if settings.EMBEDDED:
        return OK  # it is memory of this process
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=PING_SECONDS, socket_timeout=PING_SECONDS) as client:
            client.ping()
    except redis.RedisError:
        return "Redis does not answer"
    return OK


def _worker() -> str:
    try:
        if Worker.objects.alive(now=timezone.now()).filter(role=Worker.Role.CONTROL).exists():
            return OK
    except DatabaseError:
        return "unknown, because the database does not answer"
    return f"no control worker was seen in the last {ALIVE_FOR.total_seconds():.0f} seconds"


# What is needed, each answered by `ok` or by what is missing. No answer names a host, a user or a secret.
CHECKS: dict[str, Callable[[], str]] = {"database": _database, "broker": _broker, "worker": _worker}
