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


def _made_id(salt: int) -> str:
    """An id made in the millisecond of its batch, different for each salt (below 4096) and line."""
    return f"(ms || '7' || lpad(to_hex({salt}), 3, '0') || '8' || tail)::uuid"


def _line_id(kind: str) -> str:
    """An id of a row about a line of its batch; ids of different tables may be the same."""
    return f"(ms || '7' || lpad(to_hex({kind}), 3, '0') || '9' || tail)::uuid"


def _fixed_id(kind: str, number: str) -> str:
    """The id of one of a few rows that everything else names."""
    return f"('00000000-0000-7000-8{kind}-' || lpad(to_hex({number}), 12, '0'))::uuid"


_TOTAL = f"""CASE WHEN n > %(batches)s - {RUNNING} THEN 20 WHEN n % 50 = 0 THEN 0 WHEN n % 50 = 1 THEN 40 ELSE 20 END"""
_STATUS = f"""CASE WHEN n > %(batches)s - {RUNNING} THEN 'in_progress' WHEN n % 50 = 0 THEN 'failed'
                   WHEN n % 50 = 2 THEN 'expired' WHEN n % 50 = 3 THEN 'cancelled' ELSE 'completed' END"""
SHAPE = (
    f"""
    CREATE UNLOGGED TABLE shape AS
    SELECT *, {_made_id(1)} AS id, total - failed - pending - cancelled - expired AS succeeded,
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

_ENDPOINT = "CASE n % 6 WHEN 2 THEN '/v1/messages' WHEN 4 THEN '/accounting/v1/invoices' ELSE '/v1/chat/completions' END"
_BATCH = {"batch_id": "shape.id"}
_COUNTS = {name: name for name in ("total", "pending", "succeeded", "failed", "cancelled", "expired")} | {
    "input_tokens": "succeeded * 200",
    "output_tokens": "succeeded * 80",
    "cost_nanos": "succeeded * 1200",
}
_LINES = "shape CROSS JOIN LATERAL generate_series(1, total) line"
_OUTCOME = """CASE WHEN line <= failed THEN 'failed' WHEN line <= failed + succeeded THEN 'succeeded'
                   WHEN pending > 0 THEN 'pending' ELSE status END"""
_ANSWERED = "line <= failed + succeeded"
_FAILED_LINES = "shape CROSS JOIN LATERAL generate_series(1, failed) line"
_KIND = f"((kind + (line - 1) / 2) % {KINDS})"  # two lines fail for one reason, two for another
_GROUP_ID = _fixed_id("004", f"project * {KINDS} + {{kind}}")


def _fingerprint(kind: str) -> str:
    return f"'v1:' || substr(md5({kind}::text) || md5({kind}::text), 1, 40)"


def _file(which: str, salt: int, condition: str) -> Rows:
    purged = f"CASE WHEN age > {DAYS_KEPT['files']} * 1000 THEN created_at + interval '30 days' END"
    return Rows(
        "batches_file",
        {
            "id": _made_id(salt),
            "project_id": _fixed_id("001", "project"),
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


def _event(origin: str, target: str, version: int, after: str, condition: str) -> Rows:
    return Rows(
        "batches_event",
        _BATCH
        | {
            "id": _made_id(16 + version),
            "from_status": origin,
            "to_status": target,
            "version": str(version),
            "actor": "'key scale'" if version == 1 else "'engine'",
            "source": "'api'" if version == 1 else "'engine'",
            "created_at": f"created_at + interval '{after}'",
        },
        f"shape WHERE {condition}",
    )


TABLES: tuple[Rows, ...] = (
    Rows(
        "batches_project",
        {"id": _fixed_id("001", "n"), "slug": "'project-' || n", "name": "'Project ' || n", "created_at": "now()"},
        f"generate_series(0, {PROJECTS - 1}) n",
    ),
    Rows(
        "providers_provider",
        {
            "id": _fixed_id("002", "n"),
            "name": "'provider-' || n",
            "adapter": "'openai'",
            "base_url": "'http://127.0.0.1:9/v1'",
            "max_concurrency": "256",
            "enabled": "true",
            "granted_to_all": "true",
            "created_at": "now()",
            "updated_at": "now()",
        },
        f"generate_series(0, {PROVIDERS - 1}) n",
    ),
    _file("input", 2, "true"),
    _file("output", 3, "ended_at IS NOT NULL AND succeeded > 0"),
    _file("error", 4, "ended_at IS NOT NULL AND total > succeeded"),
    Rows(
        "batches_batch",
        _COUNTS
        | {
            "id": "id",
            "project_id": _fixed_id("001", "project"),
            "provider_id": _fixed_id("002", "provider"),
            "dialect": "(ARRAY['openai', 'bifrost', 'anthropic', 'novita', 'merge', 'native'])[n % 6 + 1]",
            "endpoint": _ENDPOINT,
            "model": "'model-' || n % 10",
            "status": "status",
            "version": "CASE WHEN ended_at IS NULL THEN 2 ELSE 4 END",
            # What is frozen when a batch ends is the sum of its slices until then.
            "pending": "CASE WHEN ended_at IS NULL THEN total ELSE 0 END",
            "succeeded": "CASE WHEN ended_at IS NULL THEN 0 ELSE succeeded END",
            "failed": "CASE WHEN ended_at IS NULL THEN 0 ELSE failed END",
            "input_file_id": _made_id(2),
            "output_file_id": f"CASE WHEN ended_at IS NOT NULL AND succeeded > 0 THEN {_made_id(3)} END",
            "error_file_id": f"CASE WHEN ended_at IS NOT NULL AND total > succeeded THEN {_made_id(4)} END",
            "completion_window": "'24h'",
            "metadata": "jsonb_build_object('team', 'team-' || n % 7, 'run', n::text)",
            "remark": "'nightly run ' || n",
            "created_by": "'key scale'",
            "created_at": "created_at",
            "updated_at": "COALESCE(ended_at, created_at)",
            "expires_at": "created_at + interval '24 hours'",
            "in_progress_at": "CASE WHEN status <> 'failed' THEN created_at + interval '1 minute' END",
            "finalizing_at": "CASE WHEN status IN ('completed', 'expired') THEN ended_at END",
            "cancelling_at": "CASE WHEN status = 'cancelled' THEN ended_at END",
            "completed_at": "CASE WHEN status = 'completed' THEN ended_at END",
            "failed_at": "CASE WHEN status = 'failed' THEN ended_at END",
            "expired_at": "CASE WHEN status = 'expired' THEN ended_at END",
            "cancelled_at": "CASE WHEN status = 'cancelled' THEN ended_at END",
            "ended_at": "ended_at",
            "results_pruned_at": f"CASE WHEN age >= {WITH_BODIES} THEN ended_at + interval '1 day' END",
            "error_count": "CASE WHEN status = 'failed' THEN 1 ELSE 0 END",
        },
        "shape",
    ),
    Rows(
        "batches_slice",
        _BATCH
        | _COUNTS
        | {
            "id": _made_id(5),
            "first_line": "1",
            "last_line": "total",
            "input_start": "0",
            "input_end": "total * 1000",
            "output_start": "CASE WHEN ended_at IS NOT NULL THEN 0 END",
            "output_end": "CASE WHEN ended_at IS NOT NULL THEN succeeded * 1000 END",
            "error_start": "CASE WHEN ended_at IS NOT NULL THEN 0 END",
            "error_end": "CASE WHEN ended_at IS NOT NULL THEN (total - succeeded) * 300 END",
            "lease_epoch": "CASE WHEN ended_at IS NULL THEN 0 ELSE 1 END",
            "last_settled_at": "COALESCE(ended_at, created_at + interval '2 minutes')",
        },
        "shape WHERE total > 0",
    ),
    Rows(
        "batches_batchobject",
        _BATCH
        | {
            "id": _line_id("line"),
            "line": "line",
            "custom_id": "CASE line WHEN 7 THEN 'order-' || n ELSE 'row-' || line END",  # one of each batch is its own
            "status": _OUTCOME,
            "round": "1",
            "attempts": f"CASE WHEN {_ANSWERED} THEN 1 ELSE 0 END",
            "http_status": f"CASE WHEN line <= failed THEN 500 WHEN {_ANSWERED} THEN 200 END",
            "latency_ms": f"CASE WHEN {_ANSWERED} THEN 400 + line END",
            "input_tokens": f"CASE WHEN {_ANSWERED} AND line > failed THEN 200 END",
            "output_tokens": f"CASE WHEN {_ANSWERED} AND line > failed THEN 80 END",
            "cost_nanos": f"CASE WHEN {_ANSWERED} AND line > failed THEN 1200 END",
            "kind": "CASE WHEN line <= failed THEN 'server_error' ELSE '' END",
            "request_id": f"CASE WHEN {_ANSWERED} THEN 'req_' || tail ELSE '' END",
            "settled_at": f"CASE WHEN NOT ({_ANSWERED}) AND pending > 0 THEN NULL ELSE created_at + interval '5 minutes' END",
        },
        _LINES,
    ),
    Rows(
        "batches_batchresult",
        _BATCH
        | {
            "id": _line_id("line"),
            "line": "line",
            "round": "1",
            "status": _OUTCOME,
            "attempts": "1",
            "http_status": "CASE WHEN line <= failed THEN 500 ELSE 200 END",
            "latency_ms": "400 + line",
            "request_id": "'req_' || tail",
            "error_code": "CASE WHEN line <= failed THEN 'server_error' ELSE '' END",
            "error_message": "CASE WHEN line <= failed THEN 'The upstream failed.' ELSE '' END",
            "body": f"""json_build_object('id', 'answer', 'n', line,
                                       'text', repeat('words and ', CASE WHEN age < {LONG_BODIES} THEN 90 ELSE 9 END))::text""",
            "created_at": "created_at + interval '5 minutes'",
        },
        f"{_LINES} WHERE age < {WITH_BODIES} AND {_ANSWERED}",
    ),
    Rows(
        "batches_attempt",
        _BATCH
        | {
            "id": _line_id("1"),
            "line": "1",
            "round": "1",
            "number": "1",
            "kind": "'timeout'",
            "latency_ms": "1000",
            "retry_at": "created_at + interval '3 minutes'",
            "created_at": "created_at + interval '2 minutes'",
        },
        "shape WHERE failed > 0",
    ),
    _event("''", "'validating'", 1, "0 minutes", "true"),
    _event("'validating'", "'in_progress'", 2, "1 minute", "total > 0"),
    _event(
        "'in_progress'",
        "CASE status WHEN 'cancelled' THEN 'cancelling' ELSE 'finalizing' END",
        3,
        "39 minutes",
        "ended_at IS NOT NULL AND total > 0",
    ),
    _event(
        "CASE status WHEN 'cancelled' THEN 'cancelling' ELSE 'finalizing' END", "status", 4, "40 minutes", "ended_at IS NOT NULL"
    ),
    Rows(
        "batches_errorgroup",
        {
            "id": _GROUP_ID.format(kind="kind"),
            "project_id": _fixed_id("001", "project"),
            "fingerprint": _fingerprint("kind"),
            "provider": f"'provider-' || kind % {PROVIDERS}",
            "source": "'provider'",
            "kind": "'server_error'",
            "http_status": "500",
            "code": "'code_' || kind % 7",
            "message": "'Shard <n> failed in way ' || chr(65 + kind)",
            "sample": "'Shard 17 failed in way ' || chr(65 + kind)",
            "first_seen": "(SELECT min(created_at) FROM shape)",
        },
        f"generate_series(0, {PROJECTS - 1}) project CROSS JOIN generate_series(0, {KINDS - 1}) kind",
    ),
    Rows(
        "batches_batcherror",
        _BATCH
        | {
            "id": _line_id("line"),
            "line": "line",
            "round": "1",
            "code": f"'code_' || {_KIND} % 7",
            "message": f"'Shard ' || n % 1000 || ' failed in way ' || chr(65 + {_KIND})",
            "kind": "'server_error'",
            "source": "'provider'",
            "http_status": "500",
            "fingerprint": _fingerprint(_KIND),
            "created_at": "created_at + interval '5 minutes'",
        },
        _FAILED_LINES,
    ),
    Rows(
        "batches_batcherrorgroup",
        _BATCH
        | {
            "id": _line_id("half"),
            "group_id": _GROUP_ID.format(kind=f"(kind + half) % {KINDS}"),
            "count": "2",
            "first_line": "2 * half + 1",
            "last_line": "2 * half + 2",
            "first_seen": "created_at + interval '5 minutes'",
            "last_seen": "created_at + interval '5 minutes'",
        },
        "shape CROSS JOIN generate_series(0, 1) half WHERE failed > 0",
    ),
    Rows(
        "batches_errorgrouphour",
        {"id": "gen_random_uuid()", "group_id": "group_id", "hour": "hour", "count": "count"},
        f"""(SELECT {_GROUP_ID.format(kind=f"(kind + half) % {KINDS}")} AS group_id,
                    date_trunc('hour', created_at + interval '5 minutes') AS hour, 2 * count(*) AS count
               FROM shape CROSS JOIN generate_series(0, 1) half
              WHERE failed > 0 AND age < {DAYS_KEPT["hours"]} * 1000 GROUP BY 1, 2) hours""",  # noqa: S608 - numbers of our own
    ),
    Rows(
        "batches_batchminute",
        _BATCH
        | {
            "id": _line_id("after"),
            "minute": "date_trunc('minute', created_at) + after * interval '1 minute'",
            "succeeded": "succeeded / 2",
            "failed": "failed / 2",
            "latency_ms": "total * 200",
        },
        f"shape CROSS JOIN generate_series(2, 3) after WHERE total > 0 AND age < {DAYS_KEPT['minutes']} * 1000",
    ),
)
