"""A batch that goes its whole way on a database that is kept leaves nothing in it."""

import tempfile
from pathlib import Path

import psycopg
import pytest

from tests.benchmarks.loader import LEAST_BATCHES, database_name, database_url, load, server
from tests.benchmarks.scale_way import NAME, measure

pytestmark = [pytest.mark.servers, pytest.mark.long]

HELD = """SELECT (SELECT count(*) FROM batches_batch), (SELECT count(*) FROM batches_batchobject),
                 (SELECT count(*) FROM batches_batchresult), (SELECT count(*) FROM providers_provider WHERE enabled)"""


def test_e16_a_batch_goes_its_whole_way_on_copies_of_a_kept_database_and_on_an_empty_one() -> None:
    with tempfile.TemporaryDirectory(prefix="batchyard-scale-") as name:
        folder = Path(name)
        load(folder, batches=LEAST_BATCHES)
        before = _held(folder)
        rounds = measure(folder, kept=database_name(LEAST_BATCHES), lines=300, latency_ms=1, rounds=2)[NAME]
        assert len(rounds) == 2
        for turn in (round_[which] for round_ in rounds for which in ("empty", "large")):
            assert turn["seconds"] > 0
            assert turn["cpu"] > 0
            assert turn["microseconds"] > 0
        assert _held(folder) == before


def _held(folder: Path) -> tuple[tuple[object, ...] | None, list[tuple[str]]]:
    with server(folder) as url:
        with psycopg.connect(url) as connection:
            databases = connection.execute("SELECT datname FROM pg_database ORDER BY datname").fetchall()
        with psycopg.connect(database_url(url, database_name(LEAST_BATCHES))) as connection:
            return connection.execute(HELD).fetchone(), databases
