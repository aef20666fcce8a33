"""collect: the metrics of all sources. A source that fails leaves its own metrics out, and no other's."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

from batches.models import bulk
from batches.services.insight.metrics import batches, providers, totals, webhooks, workers

logger = logging.getLogger(__name__)

SOURCE_SECONDS = 2.0  # a statement that takes longer is given up, on PostgreSQL

Source = Callable[[datetime], Iterable[Metric]]

# The sources by name. A new part of the portal, such as one with a backlog of its own, adds a function here.
SOURCES: dict[str, Source] = {
    "totals": totals.totals,
    "batches": batches.batches,
    "queue": batches.queue,
    "projects": batches.projects,
    "providers": providers.providers,
    "jobs": providers.jobs,
    "webhooks": webhooks.webhooks,
    "notices": webhooks.notices,
    "workers": workers.workers,
    "processes": workers.processes,
}


def collect(*, now: datetime) -> list[Metric]:
    """All metrics. If the database is away, those that need none, and which sources are missing."""
    build = InfoMetricFamily("batchyard_build", "The version of the portal.")
    build.add_metric([], {"version": settings.VERSION})
    up = GaugeMetricFamily("batchyard_source_up", "Whether the metrics of this source could be collected.", labels=["source"])
    found: list[Metric] = [build, up]
    missing: dict[str, str] = {}
    for name, source in SOURCES.items():
        try:
            with bulk.within(seconds=SOURCE_SECONDS):
                found += source(now)
        except (DatabaseError, InterfaceError) as error:
            missing[name] = type(error).__name__
            up.add_metric([name], 0)
        except Exception:
            logger.exception("the metrics of %s could not be collected", name)
            up.add_metric([name], 0)
        else:
            up.add_metric([name], 1)
    if missing:
        logger.warning("metrics could not be collected: %s", ", ".join(f"{name} ({why})" for name, why in missing.items()))
    return found
