"""The probes.

* `/healthz`: this process is alive;
* `/readyz/web`: this web server takes requests;
* `/readyz`: the portal can do its work, or it lacks something.

Probes are answered before all other middleware, since an orchestrator uses a numeric address and plain HTTP.
"""

from collections.abc import Callable
from http import HTTPStatus

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from batches.models import EmergencyStop, Stopped, Worker
from batches.models.worker import ALIVE_FOR

PING_SECONDS = 2.0


@never_cache
@require_safe
def alive(_request: HttpRequest) -> JsonResponse:
    """Answer that the process is alive. No database is asked: if it were, an outage of it would restart every web server."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def serving(_request: HttpRequest) -> JsonResponse:
    """Answer that this web server takes requests. One that drains says so in `config.front.probes`.

    Nothing else is asked, because a load balancer should send requests here while the database is away or no worker runs: the
    portal answers them in the words of its clients.
    """
    return JsonResponse({"status": "ready"})


@never_cache
@require_safe
def ready(_request: HttpRequest) -> JsonResponse:
    """Answer with the result of `readiness`."""
    status, document = readiness()
    return JsonResponse(document, status=status)


def readiness() -> tuple[HTTPStatus, dict[str, object]]:
    """The state of each thing that the portal needs: `ok`, or a few words about the fault. The status is 503 on any fault.

    An emergency stop is shown, but is no fault: the portal does what an operator wants.
    """
    checks = {name: check() for name, check in CHECKS.items()}
    is_ready = set(checks.values()) == {OK}
    document: dict[str, object] = {"status": "ready" if is_ready else "not ready", "checks": checks}
    if stopped := _stopped():
        document["stopped"] = stopped
    return HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE, document


OK = "ok"


def _database() -> str:
    try:
        _ask_database()
    except DatabaseError:
        connection.close()  # the connection may have broken while it was idle, so a new one is tried
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
        return OK  # the broker is in the memory of this process
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


def _stopped() -> dict[str, str]:
    """The extent of each emergency stop: the whole portal, or a number of providers and projects.

    Anybody may read this answer, so it names no provider, no project and no reason.
    """
    try:
        active = list(EmergencyStop.objects.active())
    except DatabaseError:
        return {}
    found = {}
    for what in Stopped:
        stops = [stop for stop in active if stop.what == what]
        if any(stop.is_of_portal for stop in stops):
            found[what.value] = "the whole portal"
        elif stops:
            found[what.value] = _counted(stops)
    return found


def _counted(stops: list[EmergencyStop]) -> str:
    """`2 providers, 1 project`."""
    counts = {"provider": sum(stop.provider_id is not None for stop in stops)}
    counts["project"] = len(stops) - counts["provider"]
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count)


# The checks by name. Each returns `ok` or a few words about the fault. No result names a host, a user or a secret.
CHECKS: dict[str, Callable[[], str]] = {"database": _database, "broker": _broker, "worker": _worker}

PROBES: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/healthz": alive,
    "/readyz": ready,
    "/readyz/web": serving,
}


class Probes:
    """The first middleware: answers probes, and passes on all other requests."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return PROBES.get(request.path_info, self.get_response)(request)
