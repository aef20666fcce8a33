"""The search of the native API."""

import pytest

from batches.models import Batch, BatchObject, BatchResult
from batches.rules.lines.jsonl import result_id
from tests.api.conftest import Native, problem
from tests.console.conftest import MakeBatch


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    made = make_batch(remark="Night", metadata={"team": "search"}, succeeded=1, failed=1)
    BatchResult.objects.filter(batch=made, line=1).update(request_id="req-1")
    return made


@pytest.mark.parametrize("text", ["a-1", "req-1"])
def test_a_request_is_found_with_its_batch_and_line(native: Native, batch: Batch, text: str) -> None:
    row = BatchObject.objects.get(batch=batch, line=1)
    found = native.get(f"search?q={text}").json
    assert found == {
        "data": [
            {
                "kind": "request",
                "id": result_id(row.pk),
                "match": "custom_id" if text == "a-1" else "request_id",
                "title": "a-1",
                "status": "succeeded",
                "project": "acme",
                "batch_id": str(batch),
                "line": 1,
            }
        ],
        "more": [],
        "notes": [],
    }
    (shown,) = found["data"]
    assert native.get(f"batches/{shown['batch_id']}/objects/{shown['line']}").json["custom_id"] == "a-1"
    assert native.get(f"search?q={shown['id']}").json["data"][0]["match"] == "id"


def test_every_kind_has_one_shape(native: Native, batch: Batch) -> None:
    shapes = set()
    for text, kind in (
        (str(batch), "batch"),
        ("team%3Dsearch", "batch"),
        (str(batch.input_file), "file"),
        ("simulator", "provider"),
        ("v1:same", "error_group"),
        ("upstream", "error_group"),
    ):
        (hit,) = [hit for hit in native.get(f"search?q={text}").json["data"] if hit["kind"] == kind]
        shapes.add(tuple(sorted(hit)))
    assert len(shapes) == 1


def test_one_kind_may_be_asked_for_and_what_there_is_more_of_is_named(native: Native, make_batch: MakeBatch) -> None:
    for _ in range(3):
        make_batch(remark="a-1", succeeded=1)
    both = native.get("search?q=a-1&limit=2").json
    assert [hit["kind"] for hit in both["data"]] == ["request", "request", "batch", "batch"]
    assert both["more"] == ["request", "batch"]
    one = native.get("search?q=a-1&kind=batch").json
    assert [hit["kind"] for hit in one["data"]] == ["batch"] * 3
    assert one["more"] == []


def test_what_belongs_to_others_is_not_found(stranger: Native, native: Native, batch: Batch) -> None:
    for text in (str(batch), "a-1", "req-1", "night", "team%3Dsearch", str(batch.input_file), "v1:same", f"{batch.pk.hex}.1-1-0"):
        assert native.get(f"search?q={text}").json["data"]
        assert stranger.get(f"search?q={text}").json == {"data": [], "more": [], "notes": []}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("", "q"),
        ("?q=", "q"),
        ("?q=a%00", "q"),
        ("?q=" + "x" * 513, "q"),
        ("?q=a&kind=body", "kind"),
        ("?q=a&limit=51", "limit"),
        ("?q=a&cursor=1", "cursor"),
        ("?q=a&q=b", "q"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(native: Native, query: str, param: str) -> None:
    answer = native.get(f"search{query}")
    assert answer.status == 400
    assert problem(answer)["param"] == param
