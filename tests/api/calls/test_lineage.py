"""The lineage of a batch through the native API: its batches, their counts, and their results as one list."""

import json

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, Project
from providers.models import Provider
from tests.api.conftest import Native, problem
from tests.cast import request_lines, started
from tests.rounds import at, child_of, completed

pytestmark = pytest.mark.django_db

UNKNOWN = "batch_" + "0" * 32


@pytest.fixture
def root(project: Project, simulator: Provider, settings: Settings) -> Batch:
    """Five objects; the second and the fourth failed."""
    settings.SLICE_LINES = 2
    return completed(started(project, request_lines(5)), odd={2, 4})


@pytest.fixture
def child(root: Batch) -> Batch:
    """The retry of both; the second failed again."""
    return completed(child_of(root), late={2})


def test_a_lineage_lists_the_batch_and_its_retries_with_counts_over_all(native: Native, root: Batch, child: Batch) -> None:
    for asked in (root, child):
        shown = native.get(f"batches/{asked}/lineage").json
        assert [(batch["id"], batch["parent_id"]) for batch in shown["batches"]] == [(str(root), None), (str(child), str(root))]
        assert shown["counts"] == {"total": 5, "pending": 0, "succeeded": 4, "failed": 1, "cancelled": 0, "expired": 0}
        assert shown["usage"]["input_tokens"] == 4 * 9
        assert shown["batches"][0] == native.get("batches").json["data"][1]


def test_a_batch_leads_to_its_lineage(native: Native, root: Batch) -> None:
    link = native.get(f"batches/{root}").json["links"]["lineage"]
    assert [batch["id"] for batch in native.get(link.removeprefix("http://testserver")).json["batches"]] == [str(root)]


def test_results_are_merged_in_the_order_of_the_first_batch(native: Native, root: Batch, child: Batch) -> None:
    found = native.get(f"batches/{child}/lineage/results").json
    assert [(item["line"], item["custom_id"], item["status"], item["batch_id"]) for item in found["data"]] == [
        (1, "row-1", "succeeded", str(root)),
        (2, "row-2", "succeeded", str(child)),
        (3, "row-3", "succeeded", str(root)),
        (4, "row-4", "failed", str(child)),
        (5, "row-5", "succeeded", str(root)),
    ]
    assert found["data"][1]["response"] == {"status_code": 200, "request_id": "req_ok", "body": {"round": 1}}
    assert (found["data"][1]["error"], found["data"][3]["response"]) == (None, None)
    assert found["data"][3]["error"] == {"code": "timeout", "message": "Too late."}
    assert found["next_cursor"] is found["next"] is None


def test_results_are_paged(native: Native, root: Batch, child: Batch) -> None:
    names, address = [], f"/api/v1/batches/{root}/lineage/results?limit=2"
    while address:
        page = native.get(address).json
        assert len(page["data"]) <= 2
        names += [item["custom_id"] for item in page["data"]]
        address = (page["next"] or "").removeprefix("http://testserver")
    assert names == [f"row-{number}" for number in range(1, 6)]


def test_what_is_being_retried_is_not_listed(native: Native, root: Batch) -> None:
    child_of(root, at(2))
    found = native.get(f"batches/{root}/lineage/results").json["data"]
    assert [item["custom_id"] for item in found] == ["row-1", "row-3", "row-4", "row-5"]
    assert native.get(f"batches/{root}/lineage").json["counts"]["pending"] == 1


def test_results_are_downloaded_as_lines_of_json(native: Native, root: Batch, child: Batch) -> None:
    answer = native.get(f"batches/{root}/lineage/results.jsonl")
    assert answer.headers["Content-Type"] == "application/jsonl"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{root}_lineage.jsonl"'
    lines = [json.loads(line) for line in answer.content.splitlines()]
    assert [line["custom_id"] for line in lines] == [f"row-{number}" for number in range(1, 6)]
    assert lines[1]["response"]["body"] == {"round": 1}
    assert lines[3]["error"]["code"] == "timeout"
    assert all(set(line) == {"id", "custom_id", "response", "error"} for line in lines)


def test_a_retry_that_was_deleted_for_its_clients_is_left_out(native: Native, root: Batch, child: Batch) -> None:
    Batch.objects.filter(pk=child.pk).update(deleted_at=timezone.now())
    assert [batch["id"] for batch in native.get(f"batches/{root}/lineage").json["batches"]] == [str(root)]
    results = native.get(f"batches/{root}/lineage/results").json["data"]
    assert [item["status"] for item in results].count("failed") == 2


@pytest.mark.parametrize("path", ["lineage", "lineage/results", "lineage/results.jsonl"])
def test_another_projects_lineage_is_not_found(stranger: Native, nobody: Native, root: Batch, path: str) -> None:
    for identifier in (str(root), UNKNOWN, "x"):
        answer = stranger.get(f"batches/{identifier}/{path}")
        assert answer.status == 404
        problem(answer)
    assert nobody.get(f"batches/{root}/{path}").status == 401


@pytest.mark.parametrize("query", ["cursor=x", "cursor=-1", "limit=0", "limit=101", "include=request"])
def test_a_parameter_that_is_not_understood_is_refused(native: Native, root: Batch, query: str) -> None:
    answer = native.get(f"batches/{root}/lineage/results?{query}")
    assert (answer.status, problem(answer)["param"]) == (400, query.split("=")[0])
