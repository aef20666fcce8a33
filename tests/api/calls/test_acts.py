"""Pausing, resuming, retrying, rerouting and prioritising through the native API."""

from collections.abc import Callable
from typing import Any

import pytest

from batches.models import Batch, BatchError, BatchObject, Project, Role
from batches.services.storage.store import hide
from providers.models import Provider
from tests.api.conftest import Native, problem
from tests.cast import TESTER, assert_counts_are_true, request_lines, started
from tests.rounds import child_of, completed, run, validated

pytestmark = pytest.mark.django_db

UNKNOWN = "batch_" + "0" * 32
VERBS = ("pause", "resume", "retry", "reroute", "prioritise")
BODIES: dict[str, dict[str, Any]] = {"reroute": {"provider": "other"}, "prioritise": {"priority": 1}}


@pytest.fixture
def running(project: Project, simulator: Provider) -> Batch:
    """Four objects: two failed, one is pending, one succeeded."""
    batch = started(project, request_lines(4), provider_name="simulator")
    run(batch, odd={1}, late={2}, keep={3})
    return batch


@pytest.fixture
def over(project: Project, simulator: Provider) -> Batch:
    """Four objects; two failed."""
    return completed(started(project, request_lines(4), provider_name="simulator"), odd={1}, late={2})


@pytest.fixture
def other(db: None) -> Provider:
    """A second provider, which every project may use."""
    return Provider.objects.create(name="other", adapter="simulator", granted_to_all=True)


def test_a_batch_is_paused_and_resumed(native: Native, running: Batch) -> None:
    shown = native.post(f"batches/{running}/pause", {"reason": "Wait."})
    assert shown.status == 200
    assert (shown.json["status"], shown.json["paused_by"], shown.json["paused_reason"]) == ("in_progress", "key tests", "Wait.")
    assert native.post(f"batches/{running}/pause").json["version"] == shown.json["version"]
    resumed = native.post(f"batches/{running}/resume", {"reason": "Go on."}).json
    assert (resumed["paused_at"], resumed["paused_by"], resumed["paused_reason"]) == (None, "", "")
    events = native.get(f"batches/{running}/events").json["data"][-2:]
    assert [(event["note"], event["actor"], event["source"]) for event in events] == [
        ("Wait.", "key tests", "api"),
        ("Go on.", "key tests", "api"),
    ]


def test_a_batch_is_rerouted_and_given_another_priority(native: Native, running: Batch, other: Provider) -> None:
    shown = native.post(f"batches/{running}/reroute", {"provider": "other", "reason": "It is cheaper."})
    assert (shown.status, shown.json["provider"]["name"]) == (200, "other")
    shown = native.post(f"batches/{running}/prioritise", {"priority": -3})
    assert (shown.status, shown.json["priority"]) == (200, -3)


def test_a_running_batch_is_retried_in_place(native: Native, running: Batch) -> None:
    answer = native.post(f"batches/{running}/retry", {"reason": "Fixed."})
    assert answer.status == 200
    shown = answer.json["batch"]
    assert (answer.json["mode"], answer.json["retried"], answer.json["skipped"]) == ("in_place", 2, 0)
    assert (shown["id"], shown["counts"]["pending"], shown["counts"]["failed"]) == (str(running), 3, 0)
    assert_counts_are_true(running)
    again = native.post(f"batches/{running}/retry")
    assert (again.status, problem(again)["code"]) == (409, "nothing_to_retry")


def test_an_ended_batch_is_retried_as_a_child(native: Native, over: Batch) -> None:
    answer = native.post(f"batches/{over}/retry")
    assert answer.status == 201
    shown = answer.json["batch"]
    assert (answer.json["mode"], answer.json["retried"], answer.json["skipped"]) == ("child", 2, 0)
    assert (shown["parent_id"], shown["status"], shown["key"]["name"]) == (str(over), "validating", "tests")
    assert answer.headers["Location"] == shown["links"]["self"]
    assert native.get(shown["links"]["parent"].removeprefix("http://testserver")).json["id"] == str(over)
    assert native.get(f"batches/{over}").json["links"]["parent"] is None


@pytest.mark.parametrize("fixture", ["running", "over"])
def test_an_error_group_or_single_lines_are_retried(native: Native, fixture: str, request: pytest.FixtureRequest) -> None:
    batch = request.getfixturevalue(fixture)
    fingerprint = BatchError.objects.get(batch=batch, line=2).fingerprint
    assert native.post(f"batches/{batch}/retry", {"error_group": fingerprint}).json["retried"] == 1
    if fixture == "over":
        [child] = batch.children.all()
        completed(validated(child))
    answer = native.post(f"batches/{batch}/retry", {"lines": [1, 2, 4]}).json
    assert (answer["retried"], answer["skipped"]) == (1, 2)


def test_a_retry_of_what_is_taken_up_already_is_refused(native: Native, over: Batch) -> None:
    child_of(over)
    answer = native.post(f"batches/{over}/retry")
    assert (answer.status, problem(answer)["code"]) == (409, "already_retried")


@pytest.mark.parametrize("fixture", ["running", "over"])
def test_a_retry_that_is_repeated_with_its_key_does_nothing_more(
    native: Native, fixture: str, request: pytest.FixtureRequest
) -> None:
    batch = request.getfixturevalue(fixture)
    headers = {"Idempotency-Key": "tonight"}
    first = native.post(f"batches/{batch}/retry", {"reason": "Once."}, headers=headers)
    second = native.post(f"batches/{batch.id}/retry", {"reason": "Once."}, headers=headers)
    assert (second.status, second.json["mode"]) == (first.status, first.json["mode"])
    assert (second.json["retried"], second.json["skipped"]) == (None, None)
    assert second.json["batch"] == first.json["batch"]
    assert Batch.objects.count() == (2 if fixture == "over" else 1)
    reused = native.post(f"batches/{batch}/retry", {"reason": "Twice."}, headers=headers)
    assert (reused.status, problem(reused)["code"]) == (400, "idempotency_key_reused")


def test_a_retry_that_was_refused_may_be_repeated_with_its_key(native: Native, over: Batch, other: Provider) -> None:
    headers = {"Idempotency-Key": "tonight"}
    Provider.objects.filter(pk=other.pk).update(enabled=False)
    assert native.post(f"batches/{over}/retry", {"provider": "other"}, headers=headers).status == 400
    Provider.objects.filter(pk=other.pk).update(enabled=True)
    answer = native.post(f"batches/{over}/retry", {"provider": "other"}, headers=headers)
    assert (answer.status, answer.json["batch"]["provider"]["name"]) == (201, "other")


def test_an_input_that_is_no_longer_kept_is_gone(native: Native, over: Batch) -> None:
    assert over.input_file is not None
    hide(over.input_file, actor=TESTER, now=over.updated_at)
    answer = native.post(f"batches/{over}/retry")
    assert (answer.status, problem(answer)["code"]) == (404, "content_gone")


@pytest.mark.parametrize(
    ("verb", "body", "code", "param"),
    [
        *((verb, {"reason": 5}, "invalid_type", "reason") for verb in ("pause", "resume", "retry")),
        *((verb, {"reason": "x" * 501}, "invalid_value", "reason") for verb in ("pause", "resume", "retry")),
        *((verb, {"why": "x"} | BODIES.get(verb, {}), "unknown_parameter", "why") for verb in VERBS),
        ("retry", {"line": [1]}, "unknown_parameter", "line"),
        ("retry", {"lines": []}, "invalid_value", "lines"),
        ("retry", {"lines": 1}, "invalid_type", "lines"),
        ("retry", {"lines": ["1"]}, "invalid_type", "lines.0"),
        ("retry", {"lines": [0]}, "invalid_value", "lines.0"),
        ("retry", {"lines": [True]}, "invalid_type", "lines.0"),
        ("retry", {"lines": list(range(1, 1002))}, "invalid_value", "lines"),
        ("retry", {"lines": [99]}, "invalid_request", "lines"),
        ("retry", {"error_group": "v1:unknown"}, "unknown_error_group", "error_group"),
        ("retry", {"error_group": ""}, "invalid_value", "error_group"),
        ("retry", {"error_group": "v1:x", "lines": [1]}, "invalid_value", "lines"),
        ("retry", {"provider": "other"}, "invalid_request", "provider"),
        ("reroute", {}, "missing_required_parameter", "provider"),
        ("reroute", {"provider": None}, "invalid_type", "provider"),
        ("reroute", {"provider": "nobody"}, "no_provider", "provider"),
        ("prioritise", {}, "missing_required_parameter", "priority"),
        ("prioritise", {"priority": 101}, "invalid_value", "priority"),
        ("prioritise", {"priority": "1"}, "invalid_type", "priority"),
        ("prioritise", {"priority": 1.5}, "invalid_type", "priority"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_changes_nothing(
    native: Native, running: Batch, verb: str, body: dict[str, Any], code: str, param: str
) -> None:
    before = native.get(f"batches/{running}").json
    answer = native.post(f"batches/{running}/{verb}", body)
    assert answer.status == 400, answer.content
    assert (problem(answer)["code"], problem(answer)["param"]) == (code, param)
    assert native.get(f"batches/{running}").json == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b'{"reason": "\\u0000"}'])
def test_a_malformed_body_changes_nothing(native: Native, running: Batch, verb: str, body: bytes) -> None:
    version = Batch.objects.get(pk=running.pk).version
    answer = native.post(f"batches/{running}/{verb}", body)
    assert answer.status == 400
    problem(answer)
    assert Batch.objects.get(pk=running.pk).version == version


@pytest.mark.parametrize("verb", ["pause", "resume", "reroute", "prioritise"])
def test_what_is_for_running_batches_is_refused_afterwards(native: Native, over: Batch, other: Provider, verb: str) -> None:
    answer = native.post(f"batches/{over}/{verb}", BODIES.get(verb))
    assert (answer.status, problem(answer)["code"]) == (409, "not_running")
    assert "'completed'" in problem(answer)["message"]


def test_a_batch_that_is_being_validated_cannot_be_retried(native: Native) -> None:
    answer = native.post(f"batches/{native.batch_id()}/retry")
    assert (answer.status, problem(answer)["code"]) == (409, "not_retryable")


@pytest.mark.parametrize("verb", VERBS)
def test_another_projects_batch_is_not_found(stranger: Native, running: Batch, other: Provider, verb: str) -> None:
    for identifier in (str(running), UNKNOWN, "x", "%00"):
        answer = stranger.post(f"batches/{identifier}/{verb}", BODIES.get(verb))
        assert answer.status == 404
        problem(answer)
    assert Batch.objects.get(pk=running.pk).version == running.version
    assert set(BatchObject.objects.filter(batch=running).values_list("round", flat=True)) == {1}


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_acts_without_a_key(nobody: Native, running: Batch, verb: str) -> None:
    assert nobody.post(f"batches/{running}/{verb}", BODIES.get(verb)).status == 401


@pytest.mark.parametrize("verb", VERBS)
def test_acts_need_the_role_of_an_operator(signed_in: Callable[..., Native], running: Batch, other: Provider, verb: str) -> None:
    answer = signed_in(Role.VIEWER).post(f"batches/{running}/{verb}", BODIES.get(verb))
    assert (answer.status, problem(answer)["code"]) == (403, "permission_denied")
    assert Batch.objects.get(pk=running.pk).version == running.version
    assert signed_in(Role.OPERATOR).post(f"batches/{running}/{verb}", BODIES.get(verb)).status == 200


def test_only_a_key_can_have_its_retry_repeated(signed_in: Callable[..., Native], running: Batch) -> None:
    answer = signed_in(Role.OPERATOR).post(f"batches/{running}/retry", headers={"Idempotency-Key": "x"})
    assert (answer.status, problem(answer)["param"]) == (400, "Idempotency-Key")
