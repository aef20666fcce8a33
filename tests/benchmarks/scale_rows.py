"""The rows that the loader makes, as SQL: every column that matters from the number of a batch and of a line.

`shape` is a scratch table with a row for each batch, the newest one last; everything else is made from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PROJECTS, PROVIDERS, KINDS = 20, 4, 20
RUNNING = 100  # the newest batches
WITH_BODIES = 280_000  # the newest batches, whose answers are in the database: over five million
LONG_BODIES = 1000  # the newest of those
DAYS_KEPT = {"minutes": 30, "hours": 90, "files": 30}


@dataclass(frozen=True, slots=True)
class Rows:
    """What goes into one table: expressions by column, over a source of rows."""

    table: str
    columns: Mapping[str, str]
    source: str


def made_id(salt: int) -> str:
    """An id made in the millisecond of its batch, different for each salt (below 4096) and line."""
    return f"(ms || '7' || lpad(to_hex({salt}), 3, '0') || '8' || tail)::uuid"


def line_id(kind: str) -> str:
    """An id of a row about a line of its batch; ids of different tables may be the same."""
    return f"(ms || '7' || lpad(to_hex({kind}), 3, '0') || '9' || tail)::uuid"


def fixed_id(kind: str, number: str) -> str:
    """The id of one of a few rows that everything else names."""
    return f"('00000000-0000-7000-8{kind}-' || lpad(to_hex({number}), 12, '0'))::uuid"


_TOTAL = f"""CASE WHEN n > %(batches)s - {RUNNING} THEN 20 WHEN n % 50 = 0 THEN 0 WHEN n % 50 = 1 THEN 40 ELSE 20 END"""
_STATUS = f"""CASE WHEN n > %(batches)s - {RUNNING} THEN 'in_progress' WHEN n % 50 = 0 THEN 'failed'
                   WHEN n % 50 = 2 THEN 'expired' WHEN n % 50 = 3 THEN 'cancelled' ELSE 'completed' END"""
SHAPE = (
    f"""
    CREATE UNLOGGED TABLE shape AS
    SELECT *, {made_id(1)} AS id, total - failed - pending - cancelled - expired AS succeeded,
           CASE WHEN status = 'in_progress' THEN NULL ELSE created_at + interval '40 minutes' END AS ended_at
      FROM (SELECT *, CASE WHEN total > 0 AND n % 4 = 0 THEN 4 ELSE 0 END AS failed,
                   CASE WHEN status = 'in_progress' THEN total / 2 ELSE 0 END AS pending,
                   CASE WHEN status = 'cancelled' THEN total / 2 ELSE 0 END AS cancelled,
                   CASE WHEN status = 'expired' THEN total / 4 ELSE 0 END AS expired,
                   lpad(to_hex((extract(epoch FROM created_at) * 1000)::bigint), 12, '0') AS ms,
                   substr(md5(n::text), 1, 15) AS tail,
                   (n / 3) % {PROJECTS} AS project, (n / 5) % {PROVIDERS} AS provider, (n / 4) % {KINDS} AS kind
              FROM (SELECT n, now() - (%(batches)s - n) * interval '86.4 seconds' AS created_at,
                           {_TOTAL} AS total, {_STATUS} AS status, %(batches)s - n AS age
                      FROM generate_series(1, %(batches)s) n) numbered) counted
    """,  # noqa: S608 - numbers of our own
    "ANALYZE shape",
)

ENDPOINT = "CASE n % 6 WHEN 2 THEN '/v1/messages' WHEN 4 THEN '/accounting/v1/invoices' ELSE '/v1/chat/completions' END"
BATCH = {"batch_id": "shape.id"}
COUNTS = {name: name for name in ("total", "pending", "succeeded", "failed", "cancelled", "expired")} | {
    "input_tokens": "succeeded * 200",
    "output_tokens": "succeeded * 80",
    "cost_nanos": "succeeded * 1200",
}
LINES = "shape CROSS JOIN LATERAL generate_series(1, total) line"
OUTCOME = """CASE WHEN line <= failed THEN 'failed' WHEN line <= failed + succeeded THEN 'succeeded'
                   WHEN pending > 0 THEN 'pending' ELSE status END"""
ANSWERED = "line <= failed + succeeded"
FAILED_LINES = "shape CROSS JOIN LATERAL generate_series(1, failed) line"
KIND = f"((kind + (line - 1) / 2) % {KINDS})"  # two lines fail for one reason, two for another
GROUP_ID = fixed_id("004", f"project * {KINDS} + {{kind}}")


def fingerprint(kind: str) -> str:
    return f"'v1:' || substr(md5({kind}::text) || md5({kind}::text), 1, 40)"


def file(which: str, salt: int, condition: str) -> Rows:
    purged = f"CASE WHEN age > {DAYS_KEPT['files']} * 1000 THEN created_at + interval '30 days' END"
    return Rows(
        "batches_file",
        {
            "id": made_id(salt),
            "project_id": fixed_id("001", "project"),
            "purpose": "'batch'" if which == "input" else "'batch_output'",
            "filename": f"'{which}.jsonl'",
            "bytes": "total * 1000 + 1",
            "content": f"'scale/{which}/' || n",
            "created_at": "created_at",
            "expires_at": "created_at + interval '30 days'",
            "purged_at": purged,
        },
        f"shape WHERE {condition}",
    )


def event(origin: str, target: str, version: int, after: str, condition: str) -> Rows:
    return Rows(
        "batches_event",
        BATCH
        | {
            "id": made_id(16 + version),
            "from_status": origin,
            "to_status": target,
            "version": str(version),
            "actor": "'key scale'" if version == 1 else "'engine'",
            "source": "'api'" if version == 1 else "'engine'",
            "created_at": f"created_at + interval '{after}'",
        },
        f"shape WHERE {condition}",
    )
