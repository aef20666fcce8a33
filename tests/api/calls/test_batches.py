"""Batches: what they show, the list and its filters, cancel."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches.models import ApiKey, Batch, Dialect, Project, Role
from batches.rules.states import BatchStatus
from providers.models import Provider
from tests.api.conftest import Native, problem, request
from tests.conftest import Queue
from tests.console.conftest import MakeBatch

UNKNOWN = "batch_" + "0" * 32


def ids(answer: Any) -> list[str]:
    assert answer.status == 200, answer.content
    return [item["id"] for item in answer.json["data"]]


def test_a_batch_shows_everything_that_the_portal_knows_of_it(native: Native, project: Project) -> None:
    created = native.create(
        metadata={"team": "ops"}, remark="Nightly", priority=5, completion_window="90m", requests=[request("a"), request("b")]
    )
    assert created.status == 201
    shown = created.json
    assert created.headers["Location"] == shown["links"]["self"] == f"http://testserver/api/v1/batches/{shown['id']}"
    expected = {
        "status": "validating",
        "project": "acme",
        "provider": {"name": "simulator", "simulated": True},
        "dialect": "native",
        "endpoint": "/v1/chat/completions",
        "model": "",
        "priority": 5,
        "completion_window": "90m",
        "counts": {"total": 0, "pending": 0, "succeeded": 0, "failed": 0, "cancelled": 0, "expired": 0},
        "usage": {
            **dict.fromkeys(
                ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "other_tokens", "unpriced"), 0
            ),
            "cost": "0.000000",
            "currency": "USD",
        },
        "error_count": 0,
        "metadata": {"team": "ops"},
        "remark": "Nightly",
        "key": {"name": "tests", "prefix": project.api_keys.get().prefix},
        "created_by": "key tests",
        "output_file_id": None,
        "error_file_id": None,
        "ended_at": None,
        "deleted_at": None,
        "version": 1,
    }
    assert {name: shown[name] for name in expected} == expected
    stored = Batch.objects.get()
    assert stored.expires_at - stored.created_at == timedelta(minutes=90)
    assert shown["created_at"].endswith("Z")
    assert native.get(f"batches/{shown['id']}").json == shown


def test_a_batch_of_any_dialect_is_found_by_any_form_of_its_id(native: Native, make_batch: MakeBatch) -> None:
    batch = make_batch(succeeded=2, failed=1)
    for form in (str(batch), str(batch.id), batch.id.hex, f"msgbatch_{batch.id.hex}"):
        shown = native.get(f"batches/{form}").json
        assert (shown["id"], shown["dialect"]) == (str(batch), "openai")
    assert shown["counts"] == {"total": 3, "pending": 0, "succeeded": 2, "failed": 1, "cancelled": 0, "expired": 0}


def test_its_links_lead_to_what_is_inside_it(native: Native, make_batch: MakeBatch) -> None:
    links = native.get(f"batches/{make_batch(succeeded=1, failed=1)}").json["links"]
    for name in ("self", "objects", "results", "errors", "error_groups", "events", "lineage"):
        assert native.get(links[name].removeprefix("http://testserver")).status == 200, name


@pytest.mark.parametrize(
    ("endpoint", "faces"),
    [
        ("/v1/chat/completions", {"openai", "bifrost", "novita", "console"}),
        ("/v1/messages", {"openai", "bifrost", "novita", "console", "anthropic"}),
        ("/accounting/v1/invoices", {"openai", "bifrost", "novita", "console", "merge"}),
    ],
)
def test_its_links_lead_to_every_face_that_can_show_it(native: Native, endpoint: str, faces: set[str]) -> None:
    shown = native.create(endpoint=endpoint, requests=[{"custom_id": "a", "body": {"model": "m"}}]).json
    links = shown["links"]
    assert {name for name in ("openai", "anthropic", "bifrost", "novita", "merge", "console") if links[name]} == faces
    digits = shown["id"].removeprefix("batch_")
    for name in faces - {"console"}:
        answer = native.get(links[name].removeprefix("http://testserver"), headers={"X-Account-Token": "simulator"})
        assert answer.status == 200, name
        found = answer.json.get("id") or answer.json.get("batch_id")
        assert found.replace("-", "").endswith(digits), name
    assert native.get(links["console"].removeprefix("http://testserver")).status == 302


def test_the_list_has_the_newest_first_and_goes_on_by_cursor(native: Native, make_batch: MakeBatch) -> None:
    now = timezone.now()
    made = [str(make_batch(created_at=now - timedelta(minutes=minutes // 2))) for minutes in range(5)]
    order = ids(native.get("batches"))
    assert set(order) == set(made)
    first = native.get("batches?limit=2&dialect=openai").json
    assert [item["id"] for item in first["data"]] == order[:2]
    assert first["next"] == f"http://testserver/api/v1/batches?limit=2&dialect=openai&cursor={first['next_cursor']}"
    second = native.get(first["next"].removeprefix("http://testserver")).json
    third = native.get(f"batches?limit=2&cursor={second['next_cursor']}").json
    assert [item["id"] for page in (first, second, third) for item in page["data"]] == order
    assert third["next_cursor"] is third["next"] is None


def test_a_list_makes_as_many_queries_for_many_as_for_one(
    native: Native, make_batch: MakeBatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(6):
        make_batch(BatchStatus.IN_PROGRESS if number % 2 else BatchStatus.FAILED, pending=2 * (number % 2))
    native.get("batches")
    with django_assert_num_queries(5):  # the key, the batches, the counts, the stops, the providers
        assert len(ids(native.get("batches"))) == 6


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=failed", ["broken"]),
        ("status=failed&status=completed", ["mixed", "broken"]),
        ("dialect=anthropic", ["mixed"]),
        ("dialect=merge", []),
        ("provider=simulator", ["mixed", "broken", "running"]),
        ("model=m-1", ["running"]),
        ("endpoint=/v1/chat/completions", ["mixed", "broken", "running"]),
        ("endpoint=/v1/embeddings", []),
        ("project=acme&status=failed", ["broken"]),
        ("metadata.team=ops", ["mixed"]),
        ("metadata.team=ops&metadata.0=x", []),
        ("metadata.0=zero", ["broken"]),
        ('metadata.it"s=odd', ["broken"]),
        ("metadata.team=o", []),
        ("has_errors=yes", ["mixed", "broken"]),
        ("has_errors=no", ["running"]),
        ("text=run", ["running"]),
        ("created_from=2001-01-01T00:00:00Z&created_to=2002-01-01T00:00:00Z", ["running"]),
        ("created=1h", ["mixed", "broken"]),
        ("view=active", ["running"]),
    ],
)
def test_the_list_is_narrowed_by_every_filter(native: Native, make_batch: MakeBatch, query: str, found: list[str]) -> None:
    long_ago = timezone.now().replace(year=2001, month=6, day=1)
    running = make_batch(BatchStatus.IN_PROGRESS, remark="running", pending=1, created_at=long_ago)
    broken = make_batch(BatchStatus.FAILED, remark="broken", metadata={"0": "zero", 'it"s': "odd"})
    mixed = make_batch(remark="mixed", succeeded=1, failed=1, metadata={"team": "ops", "0": "y"})
    Batch.objects.filter(pk=running.pk).update(model="m-1")
    Batch.objects.filter(pk=mixed.pk).update(dialect=Dialect.ANTHROPIC)
    del broken
    assert [item["remark"] for item in native.get(f"batches?{query}").json["data"]] == found


def test_the_list_is_narrowed_to_the_key_that_made_them(native: Native, project: Project, make_batch: MakeBatch) -> None:
    make_batch()
    made = native.batch_id()
    _, plain = ApiKey.issue(project=project, name="idle")
    assert ids(native.get(f"batches?key={native.get(f'batches/{made}').json['key']['prefix']}")) == [made]
    assert ids(native.get(f"batches?key={plain[:11]}")) == []


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("colour=red", "unknown_parameter", "colour"),
        ("older=1", "unknown_parameter", "older"),
        ("status=lost", "invalid_value", "status"),
        ("status=", "invalid_value", "status"),
        ("status=failed%00", "invalid_value", "status"),
        ("metadata.team=%00", "invalid_value", "metadata.team"),
        ("created=1h&created=2h", "invalid_value", "created"),
        ("created_from=yesterday", "invalid_value", "created_from"),
        ("provider=nobody", "invalid_value", "provider"),
        ("provider=%00", "invalid_value", "provider"),
        ("key=by_00000000", "invalid_value", "key"),
        ("has_errors=perhaps", "invalid_value", "has_errors"),
        ("limit=0", "invalid_value", "limit"),
        ("limit=101", "invalid_value", "limit"),
        ("limit=x", "invalid_value", "limit"),
        ("cursor=x", "invalid_value", "cursor"),
        (f"cursor={UNKNOWN}", "invalid_value", "cursor"),
    ],
)
def test_a_filter_that_is_not_understood_is_refused_by_name(native: Native, query: str, code: str, param: str) -> None:
    answer = native.get(f"batches?{query}")
    assert answer.status == 400
    assert (problem(answer)["code"], problem(answer)["param"]) == (code, param)


def test_a_filter_does_not_tell_what_other_projects_have(
    native: Native, other_project: Project, stranger: Native, make_batch: MakeBatch
) -> None:
    Provider.objects.create(name="secret", adapter="simulator", granted_to_all=False)
    prefix = other_project.api_keys.get().prefix
    for query in ("project=globex", "provider=secret", f"key={prefix}"):
        assert native.get(f"batches?{query}").status == 400
    foreign = stranger.batch_id()
    assert problem(native.get(f"batches?cursor={foreign}"))["param"] == "cursor"
    assert ids(native.get("batches")) == []


@pytest.mark.parametrize("identifier", [UNKNOWN, "x", "..", "%00", "%2F", "%ff", "a" * 3000, "%0a"])
def test_a_batch_that_is_not_there_is_not_found(native: Native, identifier: str) -> None:
    for path in ("", "/objects", "/objects/1", "/results", "/errors", "/error-groups", "/events"):
        answer = native.get(f"batches/{identifier}{path}")
        assert answer.status == 404
        problem(answer)
    assert native.post(f"batches/{identifier}/cancel").status == 404


def test_a_batch_is_cancelled_with_a_note(native: Native, queue: Queue) -> None:
    made = native.batch_id()
    queue.clear()
    shown = native.post(f"batches/{made}/cancel", {"note": "A mistake."})
    assert (shown.status, shown.json["status"]) == (200, "cancelling")
    assert native.post(f"batches/{made}/cancel").json == shown.json
    queue.run_until(lambda: native.get(f"batches/{made}").json["status"] == "cancelled")
    event = native.get(f"batches/{made}/events").json["data"][1]
    assert (event["from_status"], event["to_status"], event["note"]) == ("validating", "cancelling", "A mistake.")
    assert (event["actor"], event["source"]) == ("key tests", "api")


def test_a_batch_that_has_ended_is_not_cancelled(native: Native, make_batch: MakeBatch) -> None:
    answer = native.post(f"batches/{make_batch()}/cancel")
    assert (answer.status, problem(answer)["code"]) == (409, "not_cancellable")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"note": 5}', b'{"note": null}', b'{"note": "\\u0000"}', b"\xff"])
def test_a_bad_note_cancels_nothing(native: Native, body: bytes) -> None:
    made = native.batch_id()
    answer = native.post(f"batches/{made}/cancel", body)
    assert answer.status == 400
    problem(answer)
    assert Batch.objects.get().status == BatchStatus.VALIDATING


def test_what_was_deleted_for_its_clients_is_seen_by_operators_alone(
    native: Native, make_batch: MakeBatch, signed_in: Callable[..., Native]
) -> None:
    batch = make_batch()
    Batch.objects.filter(pk=batch.pk).update(deleted_at=timezone.now())
    assert native.get(f"batches/{batch}").status == 404
    assert ids(native.get("batches")) == []
    assert signed_in(Role.VIEWER).get(f"batches/{batch}").json["deleted_at"]
