"""`python -m tests.benchmarks.exporter`: in a portal's environment, both ways to get a batch's results out as JSONL.

Prints the CPU and wall seconds of each, by turns: the export that the portal finishes a batch with, and PostgreSQL's own
`COPY (SELECT ...) TO STDOUT` of the same lines.
"""

import argparse
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import django

django.setup()

from django.db import connection  # noqa: E402 - models can only be imported once Django is set up

from batches.models import Batch  # noqa: E402
from batches.rules import identifiers  # noqa: E402
from batches.services.results.object_result import result_line  # noqa: E402
from batches.services.results.results import results  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    told = parser.parse_args()
    print(json.dumps([_pair(told.batch, told.folder) for _ in range(told.rounds)]))


def _pair(batch_id: str, folder: Path) -> dict[str, list[float]]:
    return {
        "copy": _timed(lambda: _copy(batch_id, folder / "copied.jsonl")),
        "export": _timed(lambda: _export(batch_id, folder / "exported.jsonl")),
    }


def _timed(work: Callable[[], None]) -> list[float]:
    cpu, wall = time.process_time(), time.monotonic()
    work()
    return [time.monotonic() - wall, time.process_time() - cpu]


# The lines of the output file, made by PostgreSQL. Its CSV format with quotes and delimiters that no JSON contains writes
# a text as it is; its text format would double every backslash.
_LINES = r"""
    COPY (SELECT '{"id":"batch_req_' || replace(o.id::text, '-', '') || '","custom_id":' || to_json(o.custom_id)
                 || ',"response":{"status_code":' || r.http_status || ',"request_id":' || to_json(r.request_id)
                 || ',"body":' || r.body || '},"error":null}'
            FROM batches_batchobject o
            JOIN batches_batchresult r ON r.batch_id = o.batch_id AND r.line = o.line AND r.round = o.round
           WHERE o.batch_id = %s
           ORDER BY o.line)
      TO STDOUT (FORMAT csv, QUOTE E'\x01', ESCAPE E'\x01', DELIMITER E'\x02')
"""


def _key(batch_id: str) -> uuid.UUID:
    key = identifiers.parse(batch_id)
    assert key is not None
    return key


def _copy(batch_id: str, path: Path) -> None:
    with path.open("wb") as sink, connection.cursor() as cursor, cursor.copy(_LINES, [_key(batch_id)]) as copy:
        for block in copy:
            sink.write(block)


def _export(batch_id: str, path: Path) -> None:
    batch = Batch.objects.get(pk=_key(batch_id))
    with path.open("wb") as sink:
        sink.writelines(map(result_line, results(batch)))


if __name__ == "__main__":
    main()
