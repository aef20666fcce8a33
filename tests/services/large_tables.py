"""Tables as a young portal has them: as many results as objects, and far more rows than any one batch has."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from batches.models import Batch, BatchObject, BatchResult, Project, Slice
from providers.models import Provider
from tests.benchmarks.loader import insert_statement, strip
from tests.benchmarks.scale_rows import Rows

LINES = 20  # of each batch
TABLES = tuple(model._meta.db_table for model in (Batch, Slice, BatchObject, BatchResult))
OWN = uuid.UUID("00000000-0000-7000-8000-000000000001")  # of the project and the provider that these batches have


def load(*, batches: int) -> None:
    """Insert batches that have ended, LINES objects and results each; statistics stay as they are."""
    with connection.cursor() as cursor:
        raw = connection.connection
        restore = strip(raw, list(TABLES))
        for rows in _rows(batches):
            cursor.execute(insert_statement(raw, rows).decode())
        for statement in restore:
            cursor.execute(statement)


@contextmanager
def loaded(*, batches: int) -> Iterator[None]:
    """These tables, for a while. Whatever is in them afterwards is removed."""
    Project.objects.create(pk=OWN, slug="large", name="Large")
    Provider.objects.create(pk=OWN, name="large", adapter="openai", base_url="http://127.0.0.1:9/v1", enabled=False)
    try:
        load(batches=batches)
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
        Project.objects.filter(pk=OWN).delete()
        Provider.objects.filter(pk=OWN).delete()


def _id(kind: str, number: str) -> str:
    return f"('0190{kind}00-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"


def _rows(batches: int) -> tuple[Rows, ...]:
    batch = _id("aa", "n")
    numbers = f"generate_series(1, {batches}) n"
    lines = f"{numbers}, generate_series(1, {LINES}) line"
    lines = f"(SELECT n, line FROM {lines} ORDER BY n, line) lines"  # noqa: S608 - numbers of our own, as a portal writes them
    outcome = {"status": "'succeeded'", "round": "1", "attempts": "1", "http_status": "200", "latency_ms": "100"}
    line = outcome | {"id": _id("bb", f"n * {LINES} + line"), "batch_id": batch, "line": "line", "request_id": "'req_' || n"}
    at = "timestamptz '2026-01-01' + n * interval '1 second'"
    moments = ("created_at", "updated_at", "in_progress_at", "finalizing_at", "completed_at", "ended_at")
    counts = {"total": str(LINES), "succeeded": str(LINES)}
    return (
        Rows(
            "batches_batch",
            counts
            | dict.fromkeys(moments, at)
            | {"id": batch, "project_id": f"'{OWN}'", "provider_id": f"'{OWN}'", "dialect": "'openai'", "status": "'completed'"}
            | {"completion_window": "'24h'", "endpoint": "'/v1/chat/completions'", "expires_at": f"{at} + interval '1 day'"},
            numbers,
        ),
        Rows(
            "batches_slice",
            counts
            | {"id": _id("cc", "n"), "batch_id": batch, "first_line": "1", "last_line": str(LINES)}
            | {"input_start": "0", "input_end": "1000", "lease_epoch": "1"},
            numbers,
        ),
        Rows("batches_batchobject", line | {"custom_id": "'row-' || line", "settled_at": at}, lines),
        Rows("batches_batchresult", line | {"body": "'{}'", "created_at": at}, lines),
    )
