"""Erasures in the native API."""

import hashlib
import json
from collections.abc import Callable

import pytest
from django.utils import timezone

from batches.models import AuditEntry, Batch, BatchObject, Erasure, IdempotencyRecord, Project, Role
from batches.services.erasure.erase import ask, run
from batches.services.erasure.subject import Subject
from batches.services.retention.holds import place_hold
from tests.api.conftest import Native, problem
from tests.cast import TESTER, request_lines, started

PATH = "erasures"
ASKED = {"custom_id": "somebody-7", "reason": "A letter."}


def erased(project: Project, value: str = "somebody-7") -> Erasure:
    return ask(project, Subject(value), reason="A letter.", actor=TESTER, now=timezone.now())


def names(value: str) -> int:
    return BatchObject.objects.filter(custom_id=value).count()


def test_a_custom_id_is_erased_and_the_receipt_does_not_have_it(native: Native, batch: Batch) -> None:
    answer = native.post(PATH, ASKED)
    shown = answer.json
    assert (answer.status, shown["project"], shown["kind"], shown["status"]) == (201, "acme", "custom_id", "running")
    assert (shown["reason"], shown["asked_by"], shown["ended_at"]) == ("A letter.", "key tests", None)
    run(Erasure.objects.get().pk, now=timezone.now())

    answer = native.get(f"{PATH}/{shown['id']}")
    receipt = answer.json
    assert (receipt["status"], receipt["batch_count"], receipt["batch_ids"]) == ("ended", 1, [str(batch)])
    assert receipt["erased"]["requests"] == 1
    assert receipt["receipt"][0].startswith(f"{shown['id']}: ")
    assert receipt["digest"] == hashlib.sha256(f"{receipt['salt']}:somebody-7".encode()).hexdigest()
    assert names("somebody-7") == 0
    assert "somebody-7" not in answer.content.decode()
    asked = AuditEntry.objects.get(act="erase")
    assert (asked.actor, asked.source, asked.reason) == ("key tests", "api", "A letter.")
    assert "somebody-7" not in json.dumps(list(AuditEntry.objects.values()), default=str)


def test_a_pair_of_metadata_erases_the_requests_of_its_batches(native: Native, batch: Batch) -> None:
    Batch.objects.update(metadata={"customer": "c=17", "team": "search"})
    shown = native.post(PATH, {"metadata": {"customer": "c=17"}, "reason": "A letter."}).json
    run(Erasure.objects.get().pk, now=timezone.now())
    receipt = native.get(f"{PATH}/{shown['id']}").json
    assert (receipt["kind"], receipt["erased"]["requests"]) == ("metadata", 10)
    assert receipt["digest"] == hashlib.sha256(f"{receipt['salt']}:customer=c=17".encode()).hexdigest()
    assert Batch.objects.get().metadata == {"team": "search"}


def test_a_dry_run_says_what_would_be_touched_and_writes_nothing(native: Native, batch: Batch) -> None:
    answer = native.post(PATH, {"custom_id": "somebody-7", "dry_run": True})
    shown = answer.json
    assert answer.status == 200
    assert (shown["requests"], shown["batch_count"], shown["batch_ids"]) == (1, 1, [str(batch)])
    assert (shown["provider_jobs"], shown["obstacles"]) == ([], [])
    assert shown["files"] > 0 < shown["bytes"]
    place_hold(batch.project, reason="A lawsuit.", actor=TESTER, now=timezone.now())
    assert native.post(PATH, {"custom_id": "somebody-7", "dry_run": True}).json["obstacles"] == [
        "Project acme is under legal hold: A lawsuit."
    ]
    assert names("somebody-7") == 1
    assert not Erasure.objects.exists()
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"reason": "x"}, "custom_id"),
        ({"reason": "x", "custom_id": "a", "metadata": {"a": "b"}}, "custom_id"),
        ({"reason": "x", "custom_id": ""}, "custom_id"),
        ({"reason": "x", "custom_id": "a" * 513}, "custom_id"),
        ({"reason": "x", "custom_id": "a\0b"}, "custom_id"),
        ({"reason": "x", "custom_id": 7}, "custom_id"),
        ({"reason": "x", "custom_id": None}, "custom_id"),
        ({"reason": "x", "metadata": {}}, "metadata"),
        ({"reason": "x", "metadata": {"a": "b", "c": "d"}}, "metadata"),
        ({"reason": "x", "metadata": {"a": 1}}, "metadata"),
        ({"reason": "x", "metadata": {"a": ""}}, "metadata"),
        ({"reason": "x", "metadata": {"": "b"}}, "metadata"),
        ({"reason": "x", "metadata": {"a" * 65: "b"}}, "metadata"),
        ({"reason": "x", "metadata": {"a=b": "c"}}, "metadata"),
        ({"reason": "x", "metadata": {"a\0": "c"}}, "metadata"),
        ({"reason": "x", "metadata": "a=b"}, "metadata"),
        ({"custom_id": "a"}, "reason"),
        ({"custom_id": "somebody", "reason": "Of somebody."}, "reason"),
        ({"custom_id": "a", "reason": "x", "dry_run": "yes"}, "dry_run"),
        ({"custom_id": "a", "reason": "x", "value": "a"}, "value"),
        ({"custom_id": "a", "reason": "x", "project": "globex"}, "project"),
    ],
)
def test_what_cannot_be_erased_is_refused_by_its_parameter(native: Native, document: object, param: str) -> None:
    answer = native.post(PATH, document)
    assert (answer.status, problem(answer)["param"].partition(".")[0]) == (400, param)
    assert not Erasure.objects.exists()
    assert not AuditEntry.objects.exists()


def test_half_of_a_surrogate_pair_is_refused(native: Native) -> None:
    answer = native.post(PATH, b'{"custom_id": "\\ud800", "reason": "x"}')
    assert answer.status == 400
    problem(answer)


def test_what_runs_or_is_under_hold_is_not_erasable_and_the_message_says_why(native: Native, batch: Batch) -> None:
    running = started(batch.project, request_lines(2))
    answer = native.post(PATH, {"custom_id": "row-1", "reason": "A letter."})
    assert (answer.status, problem(answer)["code"]) == (409, "not_erasable")
    assert str(running) in problem(answer)["message"]
    place_hold(batch.project, batch=batch, reason="A lawsuit.", actor=TESTER, now=timezone.now())
    refused = problem(native.post(PATH, ASKED))
    assert (refused["code"], "under legal hold: A lawsuit." in refused["message"]) == ("not_erasable", True)
    assert not Erasure.objects.exists()


def test_erasures_come_in_pages_the_newest_first(native: Native, batch: Batch, other_project: Project) -> None:
    made = [str(erased(batch.project, f"somebody-{number}")) for number in range(3)]
    erased(other_project)
    first = native.get(f"{PATH}?limit=2").json
    second = native.get(f"{PATH}?limit=2&cursor={first['next_cursor']}&project=acme").json
    assert [each["id"] for each in first["data"] + second["data"]] == made[::-1]
    assert second["next_cursor"] is None
    assert "batch_ids" not in first["data"][0]
    for query in ("project=globex", "cursor=x", "custom_id=somebody-7"):
        assert problem(native.get(f"{PATH}?{query}"))["param"] == query.partition("=")[0]


def test_a_key_erases_and_sees_nothing_of_another_project(stranger: Native, batch: Batch) -> None:
    mine = erased(batch.project)
    assert stranger.get(PATH).json["data"] == []
    answer = stranger.get(f"{PATH}/{mine}")
    assert (answer.status, problem(answer)["message"]) == (404, f"There is no erasure with the id '{mine}'.")
    assert stranger.post(PATH, ASKED | {"dry_run": True}).json["requests"] == 0
    made = stranger.post(PATH, ASKED).json
    run(Erasure.objects.exclude(pk=mine.pk).get().pk, now=timezone.now())
    assert stranger.get(f"{PATH}/{made['id']}").json["erased"] == {}
    assert names("somebody-7") == 1


def test_a_person_administers_the_project(signed_in: Callable[..., Native], batch: Batch, other_project: Project) -> None:
    admin, operator = signed_in(Role.ADMIN), signed_in(Role.OPERATOR)
    assert problem(admin.post(PATH, ASKED))["param"] == "project"
    for asked in (ASKED, ASKED | {"dry_run": True}):
        assert problem(operator.post(PATH, asked | {"project": "acme"}))["code"] == "permission_denied"
    shown = admin.post(PATH, ASKED | {"project": "acme"}).json
    assert shown["asked_by"] == "user admin of acme"
    assert [each["id"] for each in admin.get(PATH).json["data"]] == [shown["id"]]
    assert operator.get(PATH).status == operator.get(f"{PATH}/{shown['id']}").status == 403
    assert signed_in(Role.ADMIN, of=other_project).get(f"{PATH}/{shown['id']}").status == 404


def test_a_repeated_call_answers_with_the_first_erasure(native: Native, batch: Batch) -> None:
    token = {"Idempotency-Key": "once"}
    first = native.post(PATH, ASKED, headers=token).json
    run(Erasure.objects.get().pk, now=timezone.now())
    again = native.post(PATH, ASKED, headers=token)
    assert (again.status, again.json["id"], again.json["status"]) == (201, first["id"], "ended")
    other = native.post(PATH, ASKED | {"custom_id": "somebody-4"}, headers=token)
    assert problem(other)["code"] == "idempotency_key_reused"
    assert Erasure.objects.count() == 1
    assert AuditEntry.objects.filter(act="erase").count() == 1


def test_the_record_of_a_call_does_not_let_the_value_be_guessed(native: Native, batch: Batch) -> None:
    native.post(PATH, ASKED, headers={"Idempotency-Key": "once"})
    fields = {"custom_id": "somebody-7", "dry_run": False, "project": None, "reason": "A letter."}
    plain = {hashlib.sha256(json.dumps(form).encode()).hexdigest() for form in (ASKED, fields, sorted(fields.items()))}
    record = IdempotencyRecord.objects.get()
    assert record.digest not in plain
    assert record.made_id == Erasure.objects.get().pk
