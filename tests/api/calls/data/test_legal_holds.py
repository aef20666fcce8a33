"""Legal holds in the native API."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from batches.models import AuditEntry, Batch, IdempotencyRecord, LegalHold, Project, Role
from batches.services.retention.holds import place_hold, release_hold
from tests.api.conftest import Native, problem
from tests.cast import TESTER

PATH = "legal_holds"


def placed(project: Project, batch: Batch | None = None, *, reason: str = "A lawsuit.") -> LegalHold:
    return place_hold(project, batch=batch, reason=reason, actor=TESTER, now=timezone.now())


def test_a_hold_is_placed_on_a_project_and_on_a_batch(native: Native, batch: Batch) -> None:
    answer = native.post(PATH, {"reason": " A  lawsuit. "})
    shown = answer.json
    hold = LegalHold.objects.get()
    assert (answer.status, shown["id"]) == (201, f"hold_{hold.pk.hex}")
    assert (shown["project"], shown["batch_id"], shown["active"], shown["reason"]) == ("acme", None, True, "A lawsuit.")
    assert (shown["placed_by"], shown["released_at"], shown["released_by"]) == ("key tests", None, "")
    of_batch = native.post(PATH, {"reason": "Another one.", "batch_id": str(batch)}).json
    assert of_batch["batch_id"] == str(batch)
    assert native.get(f"{PATH}/{of_batch['id']}").json == of_batch
    assert native.get(f"{PATH}/{hold.pk}").json == shown
    assert list(AuditEntry.objects.values_list("act", "actor", "source")) == [("place_hold", "key tests", "api")] * 2


def test_what_is_held_already_is_a_conflict(native: Native, project: Project) -> None:
    placed(project)
    answer = native.post(PATH, {"reason": "Again."})
    assert (answer.status, problem(answer)["code"]) == (409, "already_held")
    assert LegalHold.objects.count() == 1


@pytest.mark.parametrize(
    ("document", "status", "param"),
    [
        ({}, 400, "reason"),
        ({"reason": " "}, 400, "reason"),
        ({"reason": "x" * 501}, 400, "reason"),
        ({"reason": "a\tb\x07"}, 400, "reason"),
        ({"reason": "x", "batch_id": "nonsense"}, 404, "batch_id"),
        ({"reason": "x", "batch_id": "batch_" + "0" * 32}, 404, "batch_id"),
        ({"reason": "x", "batch_id": 7}, 400, "batch_id"),
        ({"reason": "x", "batch": "x"}, 400, "batch"),
        ({"reason": "x", "project": "globex"}, 400, "project"),
    ],
)
def test_what_cannot_be_held_is_refused_by_its_parameter(native: Native, document: object, status: int, param: str) -> None:
    answer = native.post(PATH, document)
    assert (answer.status, problem(answer)["param"]) == (status, param)
    assert not LegalHold.objects.exists()


def test_a_hold_is_released_once_with_a_reason(native: Native, project: Project) -> None:
    hold = placed(project)
    path = f"{PATH}/{hold.pk}/release"
    assert problem(native.post(path))["param"] == "reason"
    shown = native.post(path, {"reason": "It is settled."}).json
    assert (shown["active"], shown["release_reason"], shown["released_by"]) == (False, "It is settled.", "key tests")
    assert native.get(f"{PATH}/{hold.pk}").json == shown
    again = native.post(path, {"reason": "Again."})
    assert (again.status, problem(again)["code"]) == (409, "already_released")
    entry = AuditEntry.objects.get(act="release_hold")
    assert (entry.actor, entry.reason) == ("key tests", "It is settled.")


def test_holds_come_in_pages_the_newest_first_and_by_their_state(native: Native, batch: Batch, other_project: Project) -> None:
    placed(other_project)
    made = []
    for _ in range(3):
        hold = placed(batch.project)
        made.append(f"hold_{hold.pk.hex}")
        release_hold(hold, reason="It is settled.", actor=TESTER, now=timezone.now())
    made.append(f"hold_{placed(batch.project, batch).pk.hex}")
    first = native.get(f"{PATH}?limit=3").json
    second = native.get(f"{PATH}?limit=3&cursor={first['next_cursor']}").json
    assert [each["id"] for each in first["data"] + second["data"]] == made[::-1]
    assert second["next_cursor"] is None
    assert [each["id"] for each in native.get(f"{PATH}?active=true").json["data"]] == made[-1:]
    assert [each["id"] for each in native.get(f"{PATH}?active=false&project=acme").json["data"]] == made[2::-1]


@pytest.mark.parametrize("query", ["active=yes", "project=globex", "cursor=nonsense", "limit=0", "reason=x"])
def test_a_list_refuses_what_it_does_not_understand(native: Native, other_project: Project, query: str) -> None:
    answer = native.get(f"{PATH}?{query}")
    assert (answer.status, problem(answer)["param"]) == (400, query.partition("=")[0])


def test_a_key_sees_holds_and_releases_none_of_another_project(stranger: Native, batch: Batch) -> None:
    hold = placed(batch.project, batch)
    assert stranger.get(PATH).json["data"] == []
    for answer in (stranger.get(f"{PATH}/{hold.pk}"), stranger.post(f"{PATH}/{hold.pk}/release", {"reason": "x"})):
        assert (answer.status, problem(answer)["message"]) == (404, f"There is no legal hold with the id '{hold.pk}'.")
    assert stranger.post(PATH, {"reason": "x", "batch_id": str(batch)}).status == 404
    hold.refresh_from_db()
    assert hold.released_at is None
    assert LegalHold.objects.count() == 1


def test_a_person_sees_the_holds_of_the_projects_that_they_administer(
    signed_in: Callable[..., Native], project: Project, other_project: Project
) -> None:
    hold, other = placed(project), placed(other_project)
    admin, operator = signed_in(Role.ADMIN), signed_in(Role.OPERATOR)
    assert [each["id"] for each in admin.get(PATH).json["data"]] == [f"hold_{hold.pk.hex}"]
    assert admin.get(f"{PATH}/{other.pk}").status == 404
    for answer in (operator.get(PATH), operator.get(f"{PATH}?project=acme"), operator.get(f"{PATH}/{hold.pk}")):
        assert (answer.status, problem(answer)["code"]) == (403, "permission_denied")
    assert problem(admin.post(PATH, {"reason": "x"}))["param"] == "project"
    released = admin.post(f"{PATH}/{hold.pk}/release", {"reason": "It is settled."}).json
    assert released["released_by"] == "user admin of acme"


def test_a_repeated_call_answers_with_the_first_hold_and_another_one_is_refused(native: Native, batch: Batch) -> None:
    token = {"Idempotency-Key": "once"}
    first = native.post(PATH, {"reason": "A lawsuit."}, headers=token)
    again = native.post(PATH, {"reason": "A lawsuit."}, headers=token)
    assert (again.status, again.json) == (201, first.json)
    other = native.post(PATH, {"reason": "A lawsuit.", "batch_id": str(batch)}, headers=token)
    assert problem(other)["code"] == "idempotency_key_reused"
    assert LegalHold.objects.count() == 1
    assert AuditEntry.objects.filter(act="place_hold").count() == 1


def test_a_call_that_failed_may_be_repeated(native: Native, project: Project) -> None:
    token, hold = {"Idempotency-Key": "once"}, placed(project)
    assert native.post(PATH, {"reason": "A lawsuit."}, headers=token).status == 409
    assert not IdempotencyRecord.objects.exists()
    release_hold(hold, reason="It is settled.", actor=TESTER, now=timezone.now())
    assert native.post(PATH, {"reason": "A lawsuit."}, headers=token).status == 201


def test_a_session_has_no_idempotency_key(signed_in: Callable[..., Native], project: Project) -> None:
    answer = signed_in(Role.ADMIN).post(PATH, {"reason": "x", "project": "acme"}, headers={"Idempotency-Key": "once"})
    assert problem(answer)["param"] == "Idempotency-Key"
    assert not LegalHold.objects.exists()
