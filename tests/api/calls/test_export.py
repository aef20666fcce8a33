"""Exports of results through the native API."""

import csv
import io
import json

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from batches.models import AuditEntry, Membership, Project, Role
from batches.rules.states import BatchStatus
from tests.api.conftest import Native, problem
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.django_db


def test_failures_are_exported_as_csv(native: Native, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, succeeded=2, failed=1, pending=1)
    answer = native.get(f"batches/{batch}/export?format=csv&outcome=unsuccessful")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{batch}_failures_partial.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["custom_id"], row["code"]) for row in rows] == [("a-3", "server_error")]


def test_lines_are_those_of_an_output_file(native: Native, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=1, failed=1)
    lines = [json.loads(line) for line in native.get(f"batches/{batch}/export").content.splitlines()]
    assert [line["response"]["body"] for line in lines] == [{"answer": 42}] * 2


@pytest.mark.parametrize("query", ["colour=red", "format=csv&format=csv", "format=xml", "outcome=failed", "scope=", "error="])
def test_a_parameter_that_is_not_understood_is_refused_by_name(native: Native, make_batch: MakeBatch, query: str) -> None:
    """O14."""
    answer = native.get(f"batches/{make_batch(succeeded=1)}/export?{query}")
    assert (answer.status, problem(answer)["param"]) == (400, query.split("=")[0])


def test_a_person_without_the_right_to_bodies_gets_none(project: Project, make_batch: MakeBatch, settings: Settings) -> None:
    settings.BODIES_ROLE, settings.AUDIT_BODY_VIEWS = "operator", True
    batch = make_batch(succeeded=1, body='{"secret": 1}')
    for role, seen in ((Role.VIEWER, False), (Role.OPERATOR, True)):
        person = User.objects.create_user(role)
        Membership.objects.create(user=person, project=project, role=role)
        answer = Native(user=person).get(f"batches/{batch}/export")
        assert (b"secret" in answer.content, AuditEntry.objects.count()) == (seen, int(seen))
        assert ("x-batchyard-left-out" in answer.headers) is not seen
