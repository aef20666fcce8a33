import csv
import io
import json
from typing import Any

import pytest

from batches.models import Batch, BatchObject, BatchResult, Project
from batches.services.exports import pairs_export
from batches.services.exports.form import Compression, Form
from batches.services.exports.pairs_export import every_pair, export_pairs
from batches.services.results import compare_answers
from batches.services.results.compare import Verdict, compare, pairs
from providers.models import Provider
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(project: Project, simulator: Provider) -> tuple[Batch, Batch]:
    """Lines 1 to 4 are good in both, and the second answer of the second batch is another one; line 6 is in one batch only."""
    make_batch = MakeBatch(project, simulator)
    first = make_batch(succeeded=4, failed=1, body='{"id": "1", "text": "red"}')
    second = make_batch(succeeded=5, failed=1, body='{"text": "red", "id": "2"}')
    BatchResult.objects.filter(batch=second, line=2).update(body='{"text": "blue"}')
    return first, second


def exported(first: Batch, second: Batch, *, form: Form = Form.CSV, with_bodies: bool = True) -> str:
    export = export_pairs(first, second, form=form, compression=Compression.NONE, with_bodies=with_bodies)
    return b"".join(export.content).decode("utf-8-sig")


def rows(first: Batch, second: Batch, **more: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(first, second, **more))))


def test_every_pair_is_there_with_every_answer_compared(two: tuple[Batch, Batch]) -> None:
    """O11: only statuses were compared."""
    found = [(row["custom_id"], row["verdict"], row["answers"], row["first_difference"]) for row in rows(*two)]
    assert found == [
        ("a-1", "both_fine", "same", ""),
        ("a-2", "both_fine", "differs", "text"),
        ("a-3", "both_fine", "same", ""),
        ("a-4", "both_fine", "same", ""),
        ("a-5", "fixed", "", ""),
        ("a-6", "only_second", "", ""),
    ]
    lines = [json.loads(line) for line in exported(*two, form=Form.JSONL).splitlines()]
    assert [line["answers"] for line in lines] == ["same", "differs", "same", "same", "", ""]
    assert (lines[5]["first_line"], lines[5]["second_line"]) == (None, 6)


def test_long_answers_are_compared_too(two: tuple[Batch, Batch], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_answers, "EXPORT_CHARS", 5)
    assert [row["answers"] for row in rows(*two)] == ["same", "differs", "same", "same", "", ""]


def test_without_the_right_to_answers_their_columns_are_left_out(two: tuple[Batch, Batch]) -> None:
    assert set(rows(*two, with_bodies=False)[0]) == {
        *("custom_id", "verdict", "first_line", "first_outcome", "second_line", "second_outcome")
    }


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_pieces_of_any_size_agree_with_the_page(two: tuple[Batch, Batch], monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(pairs_export, "CHUNK", chunk)
    BatchObject.objects.filter(batch=two[0], line=3).update(status="pending", settled_at=None)
    BatchObject.objects.filter(batch=two[1], line=4).update(custom_id="elsewhere")
    found = [pair for piece in every_pair(*two) for pair in piece]
    assert found == pairs(*two, verdicts=Verdict, after="", limit=100)[0]
    counts = compare(*two)
    assert {verdict: sum(pair.verdict == verdict for pair in found) for verdict in Verdict} == counts
