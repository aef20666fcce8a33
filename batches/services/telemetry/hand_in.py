"""hand_in: add what this process has counted to the database, and report its memory, files and connections.

One statement adds all counters, and one every REPORT_SECONDS writes the report. Executors call
it with their heartbeat, other workers after a task, and web processes every few seconds while there are requests.
"""

import logging
import os
import time
from datetime import datetime, timedelta

import msgspec
from django.db import DatabaseError, InterfaceError, connection
from prometheus_client import ProcessCollector
from uuid_utils.compat import uuid7

from batches.models import MetricTotal, ProcessReport, bulk
from batches.services.telemetry import counts
from batches.services.telemetry.catalogue import CPU_SECONDS
from batches.services.telemetry.process import process_identity, process_name

logger = logging.getLogger(__name__)

REPORT_SECONDS = 10.0
FORGOTTEN_AFTER = timedelta(hours=1)

_FIELDS = ("id", "name", "labels", "total")
_process = ProcessCollector(registry=None)


class Reporter:
    """What this process is, and when it last reported about itself."""

    def __init__(self) -> None:
        self.role = "command"
        self.reported_at = float("-inf")
        self._told_cpu = 0.0

    def forget(self) -> None:
        """Begin anew in a forked child."""
        self.reported_at, self._told_cpu = float("-inf"), 0.0

    def report(self, *, now: datetime) -> None:
        """Write the report of this process, and count the CPU time since the last one."""
        found = {sample.name: sample.value for metric in _process.collect() for sample in metric.samples}
        pool = getattr(connection, "pool", None)  # of the portal's backend for PostgreSQL, in web processes
        values = {
            "role": self.role,
            "seen_at": now,
            "resident_bytes": int(found.get("process_resident_memory_bytes", 0)),
            "open_files": int(found.get("process_open_fds", 0)),
            "most_files": int(found.get("process_max_fds", 0)),
            "connections_in_use": None if pool is None else pool.in_use,
            "most_connections": None if pool is None else pool.max_size,
        }
        rows = ProcessReport.objects.filter(process=process_identity())
        if not rows.update(**values):
            ProcessReport.objects.create(process=process_identity(), name=process_name(), **values)
        cpu = time.process_time()
        counts.count(CPU_SECONDS, self.role, by=cpu - self._told_cpu)
        self.reported_at, self._told_cpu = time.monotonic(), cpu


reporter = Reporter()
os.register_at_fork(after_in_child=reporter.forget)


def hand_in(*, now: datetime) -> None:
    """Add the counts of this process to the database. If that fails, they are kept for the next time, and the error is raised.

    A call without counts costs nothing. If the answer to a commit is lost, the counts are added twice.
    """
    if not counts.anything():
        return
    if time.monotonic() - reporter.reported_at >= REPORT_SECONDS:
        reporter.report(now=now)
    taken = counts.take()
    rows = sorted((name, msgspec.json.encode(labels).decode(), total) for (name, labels), total in taken.items())
    try:
        bulk.add(MetricTotal, _FIELDS, [(uuid7(), *row) for row in rows], keys=("name", "labels"), added=("total",))
    except BaseException:
        counts.put_back(taken)
        raise


def hand_in_quietly(*, now: datetime) -> None:
    """`hand_in` for callers whose own work is done: a database that does not answer is no fault of theirs."""
    try:
        hand_in(now=now)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the counts of this process could not be told (%s); trying again", type(error).__name__)


def forget_reports(*, now: datetime) -> None:
    """Remove the reports of processes that have told nothing for FORGOTTEN_AFTER."""
    ProcessReport.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
