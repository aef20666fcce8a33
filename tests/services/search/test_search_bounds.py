"""Where a search stops: texts that cannot be searched for, queries, and time."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches.models import Batch
from batches.rules.states import BatchStatus
from batches.services.search import bounds
from batches.services.search.found import HitKind
from batches.services.search.scope import Scope
from batches.services.search.search import BadSearch, search
from tests.console.conftest import MakeBatch

pytestmark = [pytest.mark.both, pytest.mark.django_db]


def test_bodies_are_never_searched(scope: Scope, make_batch: MakeBatch) -> None:
    make_batch(succeeded=1, body='{"answer": "Needle"}', lines=b'{"custom_id": "a-1", "body": {"model": "Needle"}}\n')
    assert not search("Needle", scope, limit=5).total


@pytest.mark.parametrize("text", ["", "   ", "a\0b", "x" * 513])
def test_a_text_that_cannot_be_searched_for_is_refused(scope: Scope, text: str) -> None:
    with pytest.raises(BadSearch):
        search(text, scope, limit=5)


@pytest.mark.parametrize(
    "text", ["%", "_", "'", '"', "\\", "a'b:*", "!!", "& |", "<->", "(", "x" * 512, "ａ", "\u202e", "=", "a=b=", "0" * 40]
)
def test_any_other_text_is_answered(scope: Scope, make_batch: MakeBatch, text: str) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1, remark="Some remark")
    assert search(text, scope, limit=5).only_one is None


def test_the_number_of_queries_does_not_depend_on_what_is_found(scope: Scope, make_batch: MakeBatch) -> None:
    counts = []
    for _ in range(2):
        make_batch(succeeded=3, remark="a-1"), make_batch(succeeded=3, remark="a-1")
        with CaptureQueriesContext(connection) as captured:
            search("a-1", scope, limit=20)
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 40


@pytest.mark.servers
def test_a_statement_that_takes_too_long_is_ended_and_told(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(bounds, "LONGEST_MS", 20)
    section = bounds.bounded(HitKind.BATCH, slow)  # type: ignore[arg-type]
    assert section.hits == []
    assert section.bound.startswith("This search took longer than 20 ms")
    assert Batch.objects.count() == 0  # the transaction goes on
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
