"""`prune`: how long retention takes to remove millions of requests, and by how much it slows a batch that runs meanwhile.

The old batches lie under a legal hold while the batch runs alone. Then the hold is released, and the same batch runs again and
again until nothing of them is left. Each old request has a row of its result, too. At last `manage.py verify` has to be clean.
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.inputs import WrongResult, write_input
from tests.benchmarks.portal import Portal, grown_up
from tests.benchmarks.tables import median, table, verdict
from tests.benchmarks.timeline import run_batch
from tests.benchmarks.upstream import Upstream, upstream

GOAL_MINUTES, GOAL_OBJECTS = 30.0, 5_000_000
SLOWER_GOAL = 1.1
OLD_DAYS, KEPT_DAYS = 40, 30
WARM_UP_LINES = 1000
PATIENCE = 7200.0  # seconds until nothing may be left

# An old batch is a copy of one that has run, without files, so that every column is as the portal writes it.
_COPY = """
    INSERT INTO batches_batch
    SELECT (jsonb_populate_record(b, jsonb_build_object(
               'id', %(id)s::uuid, 'created_at', %(then)s::timestamptz, 'ended_at', %(then)s::timestamptz,
               'completed_at', %(then)s::timestamptz, 'input_file_id', NULL, 'output_file_id', NULL, 'error_file_id', NULL,
               'total', %(lines)s::int, 'succeeded', %(lines)s::int))).*
      FROM batches_batch b WHERE b.id = %(like)s
"""
_SLICES = """
    INSERT INTO batches_slice
    SELECT (jsonb_populate_record(s, jsonb_build_object(
               'id', gen_random_uuid(), 'batch_id', %(id)s::uuid, 'first_line', first, 'last_line', first + 249,
               'total', 250, 'succeeded', 250))).*
      FROM batches_slice s
      CROSS JOIN generate_series(1, %(lines)s, 250) first
     WHERE s.batch_id = %(like)s AND s.first_line = 1
"""
_OBJECTS = """
    INSERT INTO batches_batchobject (id, batch_id, line, custom_id, status, round, attempts, http_status, request_id, settled_at)
    SELECT gen_random_uuid(), %(id)s, line, 'old-' || line, 'succeeded', 1, 1, 200, 'req_old', %(then)s
      FROM generate_series(1, %(lines)s) line
"""
_RESULTS = """
    INSERT INTO batches_batchresult
           (id, batch_id, line, round, status, attempts, http_status, request_id, error_code, error_message, body, created_at)
    SELECT gen_random_uuid(), %(id)s, line, 1, 'succeeded', 1, 200, 'req_old', '', '', %(body)s, %(then)s
      FROM generate_series(1, %(lines)s) line
"""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of the old batches."""

    batches: int
    leftovers: int

    @property
    def is_nothing(self) -> bool:
        return not self.batches and not self.leftovers


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--objects", type=int, default=GOAL_OBJECTS, help="old requests in all (default: %(default)s)")
    parser.add_argument("--old-lines", type=int, default=50_000, help="requests of an old batch (default: %(default)s)")
    parser.add_argument("--lines", type=int, default=20_000, help="requests of the batch that runs (default: %(default)s)")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="of its upstream (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of that batch alone (default: %(default)s)")


def main(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print; what was measured."""
    if options.old_lines % 250 or options.objects % options.old_lines:
        raise WrongResult("Old batches are whole, and of whole slices of 250 requests.")
    with tempfile.TemporaryDirectory(prefix="batchyard-benchmark-") as folder, upstream(latency_ms=options.latency_ms) as stub:
        source = write_input(Path(folder) / "input.jsonl", lines=options.lines, line_bytes=1024)
        first = write_input(Path(folder) / "first.jsonl", lines=WARM_UP_LINES, line_bytes=1024)
        with grown_up(stub, BATCH_RETENTION_DAYS=str(KEPT_DAYS)) as portal:
            run_batch(portal.client, stub, first, lines=WARM_UP_LINES)
            hold = _said(portal, "retention", "hold", "benchmark", "--reason", "The batch runs alone first.").split()[0]
            _make_old(portal, objects=options.objects, lines=options.old_lines)
            alone = [_seconds(portal, stub, source, options.lines) for _ in range(options.rounds)]
            _said(portal, "retention", "release", hold, "--reason", "Now it goes.")
            with ThreadPoolExecutor(1) as thread:
                began = time.monotonic()
                pruning = thread.submit(_said, portal, "retention", "prune")
                beside, seconds = _run_until_gone(portal, stub, source, lines=options.lines, began=began)
                pruning.result()
            verified = _said(portal, "verify", "--check").strip()
    return _report(options, alone=alone, beside=beside, seconds=seconds, verified=verified)


def _run_until_gone(portal: Portal, stub: Upstream, source: Path, *, lines: int, began: float) -> tuple[list[float], float]:
    """The seconds of each batch that began while something was left, and the seconds until nothing was, by a look after each."""
    beside: list[float] = []
    while not (left := _left(portal)).is_nothing:
        if time.monotonic() > began + PATIENCE:
            raise WrongResult(f"After {PATIENCE:.0f} s there is still {left}.")
        beside.append(_seconds(portal, stub, source, lines))
    if not beside:
        raise WrongResult("Everything was gone before a batch ran: ask for more --objects.")
    return beside, time.monotonic() - began


def _seconds(portal: Portal, stub: Upstream, source: Path, lines: int) -> float:
    return run_batch(portal.client, stub, source, lines=lines).ready


def _said(portal: Portal, *words: str) -> str:
    done = portal.process.manage(*words)
    if done.returncode:
        raise WrongResult(done.stdout + done.stderr)
    return done.stdout


def _make_old(portal: Portal, *, objects: int, lines: int) -> None:
    body = '{"text":"' + "old answers are long " * 45 + '"}'
    with psycopg.connect(portal.process.environment["DATABASE_URL"], autocommit=True) as connection:
        like = connection.execute("SELECT id FROM batches_batch LIMIT 1").fetchone()
        assert like is not None
        for number in range(objects // lines):
            row = connection.execute(
                "SELECT gen_random_uuid(), now() - make_interval(days => %s, secs => %s)", [OLD_DAYS, number]
            ).fetchone()
            assert row is not None
            values = {"id": row[0], "then": row[1], "like": like[0], "lines": lines, "body": body}
            for statement in (_COPY, _SLICES, _OBJECTS, _RESULTS):
                connection.execute(statement, values)


def _left(portal: Portal) -> Left:
    with psycopg.connect(portal.process.environment["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM batches_batch WHERE ended_at < now() - make_interval(days => %s)),"
            " (SELECT count(*) FROM batches_leftover)",
            [KEPT_DAYS],
        ).fetchone()
        assert row is not None
        return Left(*row)


def _report(
    options: argparse.Namespace, *, alone: list[float], beside: list[float], seconds: float, verified: str
) -> dict[str, Any]:
    slower = median(beside) / median(alone)
    minutes = seconds / 60
    rows = [("alone", len(alone), median(alone)), ("while pruning", len(beside), median(beside))]
    print("\n" + table(("a batch", "rounds", "seconds (median)"), rows))
    print(f"\n{options.objects:,} requests were removed in {minutes:.1f} minutes, {options.objects / seconds:,.0f} a second.")
    if options.objects >= GOAL_OBJECTS:
        print(f"Minutes: goal {verdict(minutes, at_most=GOAL_MINUTES)}.")
    print(f"The batch took {slower:.2f} times as long, goal {verdict(slower, at_most=SLOWER_GOAL)}. {verified}")
    return {"alone": alone, "beside": beside, "seconds": seconds, "slower": slower}
