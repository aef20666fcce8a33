import csv
import io
import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, cast

import pytest
from django.http import StreamingHttpResponse
from django.test import Client
from django.utils import timezone

from batches.console.kit.lists import list_export
from batches.console.kit.lists.list_export import FIELDS
from batches.models import Project, Role
from batches.rules.display.csv_lines import cell
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch, SignIn

HOSTILE = '=HYPERLINK("http://x")\n<b>\u202e\U0001f643,\'; -- \t|cmd'


def exported(client: Client, form: str, query: str = "") -> str:
    answer = client.get(f"/console/batches/export.{form}{query}")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="batches-')
    return b"".join(cast("Iterable[bytes]", cast("StreamingHttpResponse", answer).streaming_content)).decode()


def as_json(client: Client, query: str = "") -> list[dict[str, Any]]:
    return [json.loads(line) for line in exported(client, "jsonl", query).splitlines()]


def as_csv(client: Client, query: str = "") -> list[dict[str, str]]:
    text = exported(client, "csv", query)
    assert text.startswith("\ufeffid,status,")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_both_forms_hold_what_the_filters_match_in_the_lists_order(console: Client, make_batch: MakeBatch) -> None:
    now = timezone.now()
    make_batch(BatchStatus.CANCELLED, remark="Left out")
    old = make_batch(remark="Old", succeeded=2, failed=1, created_at=now - timedelta(hours=3), metadata={"team": "search"})
    new = make_batch(BatchStatus.IN_PROGRESS, remark="New", succeeded=1, pending=4, created_at=now - timedelta(hours=1))
    query = "?status!=cancelled&sort=created&columns=status"

    lines = as_json(console, query)
    assert [line["id"] for line in lines] == [str(old), str(new)]
    assert tuple(lines[0]) == FIELDS
    assert lines[0]["metadata"] == {"team": "search"}
    assert lines[0]["standing"] == "Completed with 1 failed"
    assert (lines[1]["succeeded"], lines[1]["pending"], lines[1]["ended_at"]) == (1, 4, None)
    rows = as_csv(console, query)
    assert [row["id"] for row in rows] == [str(old), str(new)]
    assert (rows[0]["failed"], rows[0]["metadata"], rows[1]["ended_at"]) == ("1", '{"team": "search"}', "")


def test_a_list_longer_than_a_piece_is_exported_whole_and_in_order(
    console: Client, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    monkeypatch.setattr(list_export, "PIECE", 3)
    now = timezone.now()
    made = [make_batch(created_at=now - timedelta(minutes=number // 2), succeeded=1) for number in range(10)]
    for sort in ("-created", "created", "-ended", "ended", "priority", "deadline"):
        assert {line["id"] for line in as_json(console, f"?sort={sort}")} == {str(batch) for batch in made}
        assert len(as_json(console, f"?sort={sort}")) == 10
    assert count_queries(lambda: as_json(console)) <= 4 + 10 // 3 + 2


def test_an_empty_export_still_has_its_head(console: Client, make_batch: MakeBatch) -> None:
    assert as_csv(console) == []
    assert as_json(console) == []


@pytest.mark.parametrize("query", ["?colour=red", "?status=lost", "?sort=size", "?created=yesterday"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_is_not_understood_exports_nothing(console: Client, make_batch: MakeBatch, form: str, query: str) -> None:
    make_batch(remark="Nightly run")
    answer = console.get(f"/console/batches/export.{form}{query}")
    assert answer.status_code == 400
    assert "Nothing was exported" in answer.content.decode()
    assert "Nightly run" not in answer.content.decode()


def test_nobody_exports_what_they_may_not_see(make_batch: MakeBatch, other_project: Project, member: SignIn) -> None:
    mine = make_batch()
    make_batch(of=other_project, remark="Theirs")
    client = member(Role.VIEWER)
    assert [line["id"] for line in as_json(client)] == [str(mine)]
    assert client.get(f"/console/batches/export.csv?project={other_project.slug}").status_code == 400


def test_hostile_text_comes_out_as_it_went_in_and_runs_nowhere(console: Client, make_batch: MakeBatch) -> None:
    make_batch(remark=HOSTILE, metadata={"note": HOSTILE, "=1+1": "x"})
    assert as_json(console)[0]["remark"] == HOSTILE
    assert as_json(console)[0]["metadata"]["note"] == HOSTILE
    row = as_csv(console)[0]
    assert row["remark"] == f"'{HOSTILE}"
    assert json.loads(row["metadata"])["note"] == HOSTILE


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1+1", "＝1+1", "＠SUM(A1)"])
def test_no_cell_begins_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "expected"), [("a=b", "a=b"), (-5, -5), (None, ""), ("", ""), ("a\0b", "a\ufffdb"), ({"a": 1}, '{"a": 1}')]
)
def test_other_cells_are_left_as_they_are(value: object, expected: object) -> None:
    assert cell(value) == expected
