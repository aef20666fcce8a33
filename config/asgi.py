"""The ASGI entry point that uvicorn loads: what stands in front of Django, and Django behind it."""

from django.conf import settings

from config.wsgi import application as django  # this sets Django up

# isort: split
from config.answers import health
from config.front.bridge import Bridge
from config.front.probes import Probes
from config.front.threads import Threads

SLOTS = 32  # requests that one process works on at once, unless there are fewer database connections


def slots() -> int:
    """As many as there are database connections but one, which is the probes': for more they would wait, and unfairly."""
    pool = settings.DATABASES["default"].get("OPTIONS", {}).get("pool")
    return min(SLOTS, max(pool["max_size"] - 1, 1)) if pool else SLOTS


application = Bridge(
    django,
    threads=Threads(slots(), guests=settings.MAX_SLOW_CLIENTS),
    probes=Probes(health.readiness),
    each=settings.MAX_CONNECTIONS_PER_ADDRESS,
)
