import csv
import gzip
import io
import json
import tracemalloc
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches.models import Batch, BatchObject, BatchResult, Project
from batches.rules.states import BatchStatus
from batches.services.exports import results_export
from batches.services.exports.form import Compression, Form
from batches.services.exports.results_export import Outcomes, ResultChoice, Scope, export_results
from providers.models import Provider
from tests.cast import request_lines, started
from tests.console.conftest import MakeBatch
from tests.rounds import child_of, completed

pytestmark = pytest.mark.django_db


@pytest.fixture
def make_batch(project: Project, simulator: Provider) -> MakeBatch:
    return MakeBatch(project, simulator)


def content(batch: Batch, *, with_bodies: bool = True, **choice: Any) -> bytes:
    export = export_results(batch, ResultChoice(**choice), among=Batch.objects.all(), with_bodies=with_bodies)
    return b"".join(export.content)


def rows(batch: Batch, **more: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content(batch, form=Form.CSV, **more).decode("utf-8-sig"))))


def lines(batch: Batch, **more: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content(batch, **more).splitlines()]


CHAT = '{"model": "m-1", "choices": [{"message": {"content": "=1+1\\nParis"}}]}'


def test_a_row_has_what_a_person_at_a_spreadsheet_asks_for(make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1, failed=1, body=CHAT)
    used = {"input_tokens": 3, "output_tokens": 4, "cost_nanos": 1_500_000, "request_id": "req_1"}
    BatchObject.objects.filter(batch=batch, line=1).update(**used)
    good, bad = rows(batch)
    assert good == {
        "line": "1",
        "custom_id": "a-1",
        "outcome": "succeeded",
        "http_status": "200",
        "code": "",
        "message": "",
        "model": "m-1",
        "input_tokens": "3",
        "output_tokens": "4",
        "cost": "0.0015",
        "attempts": "1",
        "latency_ms": "12",
        "request_id": "req_1",
        "batch": str(batch),
        "answer": "'=1+1\nParis",
    }
    assert (bad["outcome"], bad["http_status"], bad["code"], bad["message"]) == (
        "failed",
        "500",
        "server_error",
        "The upstream failed.",
    )


@pytest.mark.parametrize(
    ("outcome", "names"),
    [
        (Outcomes.ALL, ["a-1", "a-2", "a-3"]),
        (Outcomes.SUCCEEDED, ["a-1", "a-2"]),
        (Outcomes.UNSUCCESSFUL, ["a-3"]),
    ],
)
def test_only_settled_requests_with_the_chosen_outcome_are_exported(
    make_batch: MakeBatch, outcome: Outcomes, names: list[str]
) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=2, failed=1, pending=2)
    assert [row["custom_id"] for row in rows(batch, outcome=outcome)] == names
    assert [line["custom_id"] for line in lines(batch, outcome=outcome)] == names


def test_one_error_group_is_exported(make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1, failed=2)
    chosen: dict[str, Any] = {"outcome": Outcomes.UNSUCCESSFUL}
    assert [row["custom_id"] for row in rows(batch, error="v1:same", **chosen)] == ["a-2", "a-3"]
    assert rows(batch, error="v1:other", **chosen) == []
    BatchObject.objects.filter(batch=batch, line=2).update(round=2)  # its failure is of an earlier round
    assert [row["custom_id"] for row in rows(batch, error="v1:same", **chosen)] == ["a-3"]


def test_a_lineage_has_each_request_once_with_its_best_outcome(project: Project, simulator: Provider) -> None:
    root = completed(started(project, request_lines(5)), odd={2, 4})
    child = completed(child_of(root), late={2})
    found = rows(child, scope=Scope.LINEAGE)
    assert [(row["line"], row["outcome"], row["batch"]) for row in found] == [
        ("1", "succeeded", str(root)),
        ("2", "succeeded", str(child)),
        ("3", "succeeded", str(root)),
        ("4", "failed", str(child)),
        ("5", "succeeded", str(root)),
    ]
    assert [row["line"] for row in rows(root, scope=Scope.LINEAGE, outcome=Outcomes.UNSUCCESSFUL)] == ["4"]
    assert [line["custom_id"] for line in lines(root, scope=Scope.LINEAGE, outcome=Outcomes.UNSUCCESSFUL)] == ["row-4"]


@pytest.mark.parametrize(
    ("status", "choice", "name"),
    [
        (BatchStatus.COMPLETED, ResultChoice(), "results.jsonl"),
        (BatchStatus.IN_PROGRESS, ResultChoice(), "results_partial.jsonl"),
        (BatchStatus.COMPLETED, ResultChoice(outcome=Outcomes.UNSUCCESSFUL, form=Form.CSV), "failures.csv"),
        (BatchStatus.IN_PROGRESS, ResultChoice(scope=Scope.LINEAGE), "results_after_retries_partial.jsonl"),
        (BatchStatus.COMPLETED, ResultChoice(error="v1:a", compression=Compression.GZIP), "error_group.jsonl.gz"),
    ],
)
def test_the_file_name_says_what_is_in_it(make_batch: MakeBatch, status: BatchStatus, choice: ResultChoice, name: str) -> None:
    batch = make_batch(status, succeeded=1)
    export = export_results(batch, choice, among=Batch.objects.all(), with_bodies=True)
    assert export.filename == f"{batch}_{name}"
    assert export.is_partial == ("partial" in name)


def test_gzip_is_the_same_compressed(make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=3, failed=1)
    for form in Form:
        assert gzip.decompress(content(batch, form=form, compression=Compression.GZIP)) == content(batch, form=form)


def test_without_bodies_there_are_no_answers_and_no_messages_that_quote_them(make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1, failed=1, body='{"secret": 1}')
    BatchResult.objects.filter(batch=batch, status="failed").update(error_message="secret", error_code="secret")
    BatchObject.objects.filter(batch=batch, status="failed").update(kind="server_error")
    for form in Form:
        assert b"secret" not in content(batch, form=form, with_bodies=False)
        assert b"secret" in content(batch, form=form)
    good, bad = rows(batch, with_bodies=False)
    assert "answer" not in good
    assert (bad["code"], "withheld" in bad["message"]) == ("server_error", True)
    first, second = lines(batch, with_bodies=False)
    assert (first["response"]["status_code"], first["error"], "body" in first["response"]) == (200, None, False)
    assert second["error"]["code"] == "server_error"
    export = export_results(batch, ResultChoice(form=Form.CSV), among=Batch.objects.all(), with_bodies=False)
    assert export.filename == f"{batch}_results_without_answer.csv"


def test_pieces_of_any_size_are_the_same_export(make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make_batch(succeeded=4, failed=3)
    whole = content(batch, form=Form.CSV)
    for piece, chars in ((1, 10**6), (3, 10**6), (500, 1)):
        monkeypatch.setattr(results_export, "PIECE", piece)
        monkeypatch.setattr(results_export, "PIECE_CHARS", chars)
        assert content(batch, form=Form.CSV) == whole


def test_answers_of_successes_are_not_read_for_an_export_of_failures(make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=30, failed=1, body='{"text": "' + "x" * 400_000 + '"}')
    BatchResult.objects.filter(batch=batch, status="failed").update(body="{}")
    with CaptureQueriesContext(connection) as asked:
        tracemalloc.start()
        assert len(content(batch, outcome=Outcomes.UNSUCCESSFUL)) < 1000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4_000_000
    assert len(asked) < 6
