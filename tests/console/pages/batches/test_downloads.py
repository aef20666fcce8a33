"""What is taken out of a batch: downloads of its results, and what they refuse."""

import gzip
import re
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponseBase
from django.test import Client
from pytest_django import Settings

from batches.models import AuditEntry, Batch, BatchError, BulkOperation, Project, Role
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch, SignIn


def address(batch: Batch, query: str = "") -> str:
    return f"/console/batches/{batch}/export/?{query}"


def content(answer: HttpResponseBase) -> bytes:
    assert answer.status_code == 200
    streamed: Any = answer
    return b"".join(streamed.streaming_content)


def test_failures_as_csv_are_two_clicks_from_the_page_of_a_batch(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1, failed=2)
    page = console.get(f"/console/batches/{batch}/").content.decode()
    [link] = re.findall(r'<li><span>Failures</span> <a href="([^"]*)"', page)  # in the menu, which is one click
    assert content(console.get(link.replace("&amp;", "&"))).decode("utf-8-sig").count("server_error") == 2
    assert "after retries" not in page
    Batch.objects.filter(pk=make_batch(succeeded=1).pk).update(parent=batch)
    assert "Failures after retries" in console.get(f"/console/batches/{batch}/").content.decode()


def test_an_error_group_offers_its_failures_of_each_batch(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(failed=2, remark="Nightly")
    for page in ("/console/errors/v1:same/", f"/console/batches/{batch}/"):
        links = re.findall(r'href="([^"]*/export/\?error=[^"]*)"', console.get(page).content.decode())
        rows = content(console.get(links[0].replace("&amp;", "&"))).decode("utf-8-sig").splitlines()
        assert len(rows) == 3


def test_a_running_batch_is_marked_partial(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=1, pending=1)
    answer = console.get(address(batch, "format=csv&compression=gzip"))
    assert f"{batch}_results_partial.csv.gz" in answer.headers["Content-Disposition"]
    assert answer.headers["x-batchyard-partial"] == "true"
    assert gzip.decompress(content(answer)).count(b"\r\n") == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("batches/{batch}/export/?colour=red", "colour"),
        ("batches/{batch}/export/?format=csv&format=jsonl", "format"),
        ("batches/{batch}/files/input/?outcome=failed", "outcome"),
        ("batches/{batch}/problems/?code=x", "code"),
        ("batches/{batch}/compare/pairs/?with=x", "with"),
        ("batches/{batch}/compare/pairs/?with={batch}&verdict=fixed", "verdict"),
        ("batches/new/sample/?colour=red", "colour"),
        ("batches/new/{file}/problems/?colour=red", "colour"),
        ("batches/new/{file}/problems/?endpoint=/v1/embeddings&endpoint=x", "endpoint"),
        ("batches/export.csv?sort=created&sort=ended", "sort"),
        ("batches/export.csv?outcome=failed", "outcome"),
        ("bulk/{operation}/outcomes.csv?status=done", "status"),
    ],
)
def test_a_download_refuses_a_parameter_that_it_does_not_know_by_its_name(
    console: Client, make_batch: MakeBatch, path: str, name: str
) -> None:
    """O14: downloads ignored unknown parameters."""
    batch = make_batch(succeeded=1)
    owner, now = User.objects.get(), batch.created_at
    operation = BulkOperation.objects.create(owner=owner, act="cancel", token=uuid.uuid4(), created_before=now, created_at=now)
    named = {"batch": batch, "file": batch.input_file, "operation": operation.pk}
    answer = console.get(f"/console/{path.format(**named)}")
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "Nothing was exported" in page
    assert name in page


def test_who_may_not_read_bodies_gets_the_export_without_them(member: SignIn, make_batch: MakeBatch, settings: Settings) -> None:
    settings.BODIES_ROLE, settings.AUDIT_BODY_VIEWS = "operator", True
    batch = make_batch(succeeded=1, body='{"secret": 1}')
    viewer, operator = member(Role.VIEWER), member(Role.OPERATOR)
    answer = viewer.get(address(batch, "format=csv"))
    assert b"secret" not in content(answer)
    assert answer.headers["x-batchyard-left-out"] == "answer"
    assert "Without answers" in viewer.get(f"/console/batches/{batch}/").content.decode()
    assert not AuditEntry.objects.exists()
    assert b"secret" in content(operator.get(address(batch, "format=csv")))
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.outcome, entry.target) == ("export_batch", "done", str(batch))


def test_a_foreign_retry_is_no_member_of_the_family(member: SignIn, make_batch: MakeBatch, other_project: Project) -> None:
    own, foreign = make_batch(failed=1), make_batch(succeeded=1, of=other_project, body='{"theirs": 1}')
    Batch.objects.filter(pk=foreign.pk).update(parent=own)
    assert b"theirs" not in content(member(Role.VIEWER).get(address(own, "scope=lineage")))


def test_the_recorded_problems_of_an_input_are_a_csv(console: Client, make_batch: MakeBatch) -> None:
    """O29."""
    batch = make_batch(BatchStatus.FAILED)
    BatchError.objects.filter(batch=batch).update(message="=1+1")
    assert content(console.get(f"/console/batches/{batch}/problems/")).decode("utf-8-sig").splitlines() == [
        "line,code,message,field",
        "1,invalid_json_line,'=1+1,",
    ]
