"""workers: who is alive, with which seats; and the memory, files and connections that processes have reported."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Sum
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from batches.models import ProcessReport, Worker


def workers(now: datetime) -> Iterator[Metric]:
    """Workers and seats, and how long ago the beat's reconcile ran."""
    rows = list(Worker.objects.alive(now=now).values_list("role", "seat", "in_flight", "trouble"))
    alive = GaugeMetricFamily("batchyard_workers", "Control processes, and executors that run at present.", labels=["role"])
    for role in Worker.Role:
        alive.add_metric([role.value], sum(found == role for found, *_ in rows))
    yield alive
    taken = sum(seat is not None for _, seat, *_ in rows)
    yield GaugeMetricFamily("batchyard_seats", "Executors that may run at one time.", value=settings.EXECUTORS)
    yield GaugeMetricFamily("batchyard_seats_taken", "Executors with a seat.", value=taken)
    in_flight = sum(number for _, _, number, _ in rows)
    yield GaugeMetricFamily("batchyard_requests_in_flight", "Requests that executors have in flight.", value=in_flight)
    troubled = sum(bool(trouble) for *_, trouble in rows)
    yield GaugeMetricFamily("batchyard_workers_in_trouble", "Executors with work that they cannot carry out.", value=troubled)
    seen = Worker.objects.filter(role=Worker.Role.CONTROL).order_by().aggregate(at=Max("seen_at"))["at"]
    age = float("inf") if seen is None else max((now - seen).total_seconds(), 0.0)
    yield GaugeMetricFamily("batchyard_reconcile_age_seconds", "How long ago the beat's reconcile last began.", value=age)


_SUMS = {
    "resident_memory_bytes": ("resident_bytes", "Memory that they take together."),
    "open_fds": ("open_files", "Files and connections that they have open together."),
    "max_fds": ("most_files", "Files and connections that they may have open together."),
    "database_connections": ("connections_in_use", "Pooled connections to PostgreSQL in use; of web processes."),
    "database_connections_max": ("most_connections", "Pooled connections to PostgreSQL that there may be; of web processes."),
}


def processes(now: datetime) -> Iterator[Metric]:
    """The processes that have reported lately, by role. A process that has nothing to count reports nothing."""
    sums = {name: Sum(column) for name, (column, _) in _SUMS.items()}
    lately = ProcessReport.objects.lately(now=now).order_by().values("role")
    rows: Iterable[Any] = lately.annotate(processes=Count("pk"), largest=Max("resident_bytes"), **sums)
    number = GaugeMetricFamily("batchyard_processes", "Processes that have reported lately.", labels=["role"])
    largest = GaugeMetricFamily("batchyard_process_resident_memory_max_bytes", "Memory of the largest one.", labels=["role"])
    families = {name: GaugeMetricFamily(f"batchyard_process_{name}", text, labels=["role"]) for name, (_, text) in _SUMS.items()}
    for row in rows:
        number.add_metric([row["role"]], row["processes"])
        largest.add_metric([row["role"]], row["largest"])
        for name, family in families.items():
            if row[name] is not None:
                family.add_metric([row["role"]], row[name])
    yield from (number, largest, *families.values())
