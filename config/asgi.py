"""The ASGI entry point that uvicorn loads: Django with the front before it."""

from django.conf import settings

from config.wsgi import application as django  # this sets Django up

# isort: split
from batches.services.telemetry.hand_in import reporter
from config.answers import health, metrics
from config.front.bridge import Bridge
from config.front.metrics import Metrics
from config.front.probes import Probes
from config.front.threads import Threads

SLOTS = 32  # the most requests that one process runs at once


def slots() -> int:
    """The number of requests that one process runs at once: at most its database connections but one each for probes and metrics.

    If more requests ran, some of them would wait for a connection, in no fair order.
    """
    pool = settings.DATABASES["default"].get("OPTIONS", {}).get("pool")
    return min(SLOTS, max(pool["max_size"] - 2, 1)) if pool else SLOTS


reporter.role = "embedded" if settings.EMBEDDED else "web"
application = Bridge(
    django,
    threads=Threads(slots(), guests=settings.MAX_SLOW_CLIENTS),
    probes=Probes(health.readiness),
    metrics=Metrics(metrics.page_of_thread, tell=metrics.tell),
    each=settings.MAX_CONNECTIONS_PER_ADDRESS,
)
