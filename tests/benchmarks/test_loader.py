"""The databases that are measured are such as the portal itself could have left."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.benchmarks.loader import LEAST_BATCHES, database_name, database_url, load, server

pytestmark = [pytest.mark.servers, pytest.mark.long]

# What must find nothing.
WRONG = {
    "batches that ended with counts that are not those of their slices": """
        SELECT 1 FROM batches_batch b JOIN batches_slice s ON s.batch_id = b.id
         WHERE b.ended_at IS NOT NULL AND (b.total, b.succeeded, b.failed) <> (s.total, s.succeeded, s.failed)""",
    "slices with counts that are not those of their objects": """
        SELECT 1 FROM batches_slice s
          JOIN (SELECT batch_id, count(*) AS total, count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
                       count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'pending') AS pending
                  FROM batches_batchobject GROUP BY 1) o ON o.batch_id = s.batch_id
         WHERE (s.total, s.succeeded, s.failed, s.pending) <> (o.total, o.succeeded, o.failed, o.pending)""",
    "answers that are missing, of a batch that still has them": """
        SELECT 1 FROM batches_batchobject o JOIN batches_batch b ON b.id = o.batch_id
          LEFT JOIN batches_batchresult r ON r.batch_id = o.batch_id AND r.line = o.line AND r.status = o.status
         WHERE o.status IN ('succeeded', 'failed') AND b.results_pruned_at IS NULL AND r.id IS NULL""",
    "groups with counts that are not those of their errors": """
        SELECT 1 FROM batches_batcherrorgroup b JOIN batches_errorgroup g ON g.id = b.group_id
         WHERE b.count <> (SELECT count(*) FROM batches_batcherror e
                            WHERE e.batch_id = b.batch_id AND e.fingerprint = g.fingerprint)""",
    "failed objects without an error": """
        SELECT 1 FROM batches_batchobject o LEFT JOIN batches_batcherror e ON e.batch_id = o.batch_id AND e.line = o.line
         WHERE o.status = 'failed' AND e.id IS NULL""",
    "batches of one project with groups of another": """
        SELECT 1 FROM batches_batcherrorgroup i JOIN batches_batch b ON b.id = i.batch_id
          JOIN batches_errorgroup g ON g.id = i.group_id WHERE g.project_id <> b.project_id""",
}


@pytest.fixture(scope="module")
def loaded() -> Iterator[psycopg.Connection]:
    """The small database."""
    with tempfile.TemporaryDirectory(prefix="batchyard-scale-") as name:
        folder = Path(name)
        assert load(folder, batches=LEAST_BATCHES).objects == 20 * LEAST_BATCHES
        assert load(folder, batches=LEAST_BATCHES).seconds == 0, "it is kept for reuse"
        with server(folder) as url, psycopg.connect(database_url(url, database_name(LEAST_BATCHES))) as connection:
            yield connection


@pytest.mark.parametrize("what", WRONG)
def test_nothing_in_a_database_that_was_made_disagrees(loaded: psycopg.Connection, what: str) -> None:
    assert loaded.execute(WRONG[what].encode()).fetchall() == []
