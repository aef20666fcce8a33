"""Retention policies and stored bytes in the native API."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from batches.models import AuditEntry, Batch, Project, RetentionKind, RetentionPolicy, Role
from batches.services.retention.disk_use import Stored
from tests.api.conftest import Native, encode, problem
from tests.dialects.openai.conftest import Answer

PATH = "retention"


def change(client: Native, document: object, *, query: str = "") -> Answer:
    return client.call("PATCH", f"{PATH}{query}", data=encode(document), content_type="application/json")


def term(answer: Answer, kind: str) -> dict[str, Any]:
    (found,) = (each for each in answer.json["terms"] if each["kind"] == kind)
    assert isinstance(found, dict)
    return found


def test_every_kind_is_told_with_where_its_days_come_from(native: Native, settings: Settings) -> None:
    settings.WEBHOOK_LOG_DAYS = 30
    answer = native.get(PATH)
    assert (answer.status, answer.json["project"]) == (200, "acme")
    assert [each["kind"] for each in answer.json["terms"]] == RetentionKind.values
    assert term(answer, "deliveries") == {
        "kind": "deliveries",
        "days": 30,
        "own_days": None,
        "set_by": None,
        "set_at": None,
        "setting": "WEBHOOK_LOG_DAYS",
        "least_days": 1,
        "most_days": 36_500,
    }
    assert term(answer, "bodies")["days"] is None
    assert term(answer, "audit")["least_days"] == 90


def test_policies_are_set_and_taken_back_and_others_stay(native: Native, project: Project) -> None:
    answer = change(native, {"bodies": 30, "batches": 400})
    assert answer.status == 200
    assert (term(answer, "bodies")["days"], term(answer, "bodies")["set_by"]) == (30, "key tests")
    assert native.get(PATH).json == answer.json
    answer = change(native, {"bodies": None})
    assert (term(answer, "bodies")["own_days"], term(answer, "batches")["own_days"]) == (None, 400)
    assert list(RetentionPolicy.objects.values_list("project", "kind", "days")) == [(project.pk, "batches", 400)]
    entries = AuditEntry.objects.filter(act="set_retention").order_by("created_at", "id")
    assert [(entry.actor, entry.source, entry.changes) for entry in entries] == [
        ("key tests", "api", {"bodies": [None, 30], "batches": [None, 400]}),
        ("key tests", "api", {"bodies": [30, None]}),
    ]


@pytest.mark.parametrize(
    ("document", "param", "code"),
    [
        ({"bodies": 0}, "bodies", "invalid_value"),
        ({"bodies": "7"}, "bodies", "invalid_type"),
        ({"bodies": True}, "bodies", "invalid_type"),
        ({"bodies": 1.5}, "bodies", "invalid_type"),
        ({"bodies": 36_501}, "bodies", "retention_out_of_bounds"),
        ({"events": 9, "audit": 89}, "audit", "retention_out_of_bounds"),
        ({"events": 9, "bodys": 9}, "bodys", "unknown_parameter"),
        ({"events": 9, "project": "acme"}, "project", "unknown_parameter"),
        ({}, None, "invalid_request"),
        ([], None, None),
    ],
)
def test_what_is_no_policy_is_refused_by_its_kind_and_changes_nothing(
    native: Native, document: object, param: str | None, code: str | None
) -> None:
    answer = change(native, document)
    assert answer.status == 400
    found = problem(answer)
    assert (found["param"], found["code"]) == (param, code or found["code"])
    assert not RetentionPolicy.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_refusal_says_the_bounds(native: Native, settings: Settings) -> None:
    settings.RETENTION_BOUNDS = {"bodies": (7, 60)}
    assert problem(change(native, {"bodies": 90}))["message"] == "Requests and answers may be kept from 7 to 60 days, not 90."


def test_a_key_sets_nothing_in_another_project(native: Native, stranger: Native, other_project: Project) -> None:
    change(native, {"bodies": 30})
    for answer in (stranger.get(f"{PATH}?project=acme"), change(stranger, {"bodies": 1}, query="?project=acme")):
        assert (answer.status, problem(answer)["param"]) == (400, "project")
    assert term(stranger.get(PATH), "bodies")["own_days"] is None
    change(stranger, {"bodies": 5})
    assert set(RetentionPolicy.objects.values_list("project__slug", "days")) == {("acme", 30), (other_project.slug, 5)}


def test_a_person_administers_the_project_and_names_it(signed_in: Callable[..., Native], other_project: Project) -> None:
    admin = signed_in(Role.ADMIN)
    assert problem(admin.get(PATH))["param"] == "project"
    assert problem(change(admin, {"bodies": 5}, query="?project=globex"))["param"] == "project"
    assert term(change(admin, {"bodies": 5}, query="?project=acme"), "bodies")["set_by"] == "user admin of acme"
    operator = signed_in(Role.OPERATOR)
    assert problem(operator.get(f"{PATH}?project=acme"))["code"] == "permission_denied"
    assert change(operator, {"bodies": 6}, query="?project=acme").status == 403
    assert RetentionPolicy.objects.get().days == 5


def test_parameters_that_are_not_known_are_refused(native: Native) -> None:
    for path in (f"{PATH}?kind=bodies", "disk_use?kind=inputs"):
        assert problem(native.get(path))["code"] == "unknown_parameter"


def test_stored_bytes_are_told_by_kind_and_only_those_of_the_project(native: Native, stranger: Native, batch: Batch) -> None:
    shown = native.get("disk_use").json
    assert [use["kind"] for use in shown["kinds"]] == [stored.name.lower() for stored in Stored]
    uses = {use["kind"]: use for use in shown["kinds"]}
    assert batch.input_file is not None
    assert uses["inputs"] == {"kind": "inputs", "files": 1, "bytes": batch.input_file.bytes}
    assert uses["results"]["files"] == 2
    assert shown["project"] == "acme"
    assert shown["bytes"] == sum(use["bytes"] for use in uses.values()) > 0
    assert stranger.get("disk_use").json["bytes"] == 0
    assert problem(stranger.get("disk_use?project=acme"))["param"] == "project"
