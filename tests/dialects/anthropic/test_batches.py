"""Message batches: retrieve, list, cancel, delete; and which batches this face shows."""

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches.dialects.anthropic.outbound import PROCESSING_STATUS, RESULT_TYPES
from batches.models import Batch, Dialect, Project, Purpose
from batches.rules.actors import Actor
from batches.rules.states import SETTLED, BatchStatus, Source
from batches.services.intake.submit import submit
from batches.services.lifecycle.validate import validate
from batches.services.storage.store import store
from tests.cast import asked
from tests.dialects.anthropic.conftest import BATCHES, ENDED, Api, move, request, stored_batch

UNKNOWN = "msgbatch_" + "0" * 32


def submitted(project: Project, *, endpoint: str, dialect: Dialect = Dialect.BIFROST) -> Batch:
    """A batch that came through another dialect, as a file."""
    now = timezone.now()
    line = f'{{"custom_id":"a","method":"POST","url":"{endpoint}","body":{{"model":"m","messages":[1]}}}}\n'
    file = store(ContentFile(line.encode()), project=project, purpose=Purpose.BATCH, filename="jobs.jsonl", now=now)
    submission = asked(project, dialect=dialect, endpoint=endpoint)
    return submit(submission, input_file=file, actor=Actor("key tests", Source.API), now=now)


# --- Words ---------------------------------------------------------------------------------------------------


def test_every_status_of_a_batch_and_of_an_object_has_its_word() -> None:
    assert set(PROCESSING_STATUS) == set(BatchStatus)
    assert set(PROCESSING_STATUS.values()) == {"in_progress", "canceling", "ended"}
    assert set(RESULT_TYPES) == SETTLED
    assert set(RESULT_TYPES.values()) == {"succeeded", "errored", "canceled", "expired"}


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ((BatchStatus.IN_PROGRESS,), "in_progress"),
        ((BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING), "in_progress"),
        ((BatchStatus.CANCELLING,), "canceling"),
        ((BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.EXPIRED), "ended"),
        ((BatchStatus.FAILED,), "ended"),
        (ENDED, "ended"),
    ],
)
def test_each_step_is_shown_in_the_dialects_words(api: Api, path: tuple[BatchStatus, ...], word: str) -> None:
    batch_id = api.batch_id()
    batch = move(batch_id, *path)
    shown = api.batch(batch_id)
    assert shown["processing_status"] == word
    assert (shown["ended_at"] is not None) == (word == "ended") == batch.is_terminal
    assert (shown["results_url"] is not None) == (word == "ended")
    assert (shown["cancel_initiated_at"] is not None) == (word == "canceling")


def test_everything_is_processing_until_the_batch_has_ended(api: Api) -> None:
    batch_id = api.batch_id(request("a"), request("b"))
    validate(stored_batch(batch_id).pk, now=timezone.now())
    batch = stored_batch(batch_id)
    batch.slices.update(pending=1, succeeded=1)
    assert api.batch(batch_id)["request_counts"] == {
        "processing": 2,
        "succeeded": 0,
        "errored": 0,
        "canceled": 0,
        "expired": 0,
    }
    move(batch_id, BatchStatus.FINALIZING, BatchStatus.COMPLETED, total=10, succeeded=1, failed=2, cancelled=3, expired=4)
    assert api.batch(batch_id)["request_counts"] == {
        "processing": 0,
        "succeeded": 1,
        "errored": 2,
        "canceled": 3,
        "expired": 4,
    }


# --- Which batches ---------------------------------------------------------------------------------------------


def test_a_batch_is_found_by_its_id_in_any_form(api: Api) -> None:
    batch_id = api.batch_id()
    key = stored_batch(batch_id).pk
    assert {api.batch(form)["id"] for form in (batch_id, f"batch_{key.hex}", str(key))} == {batch_id}


@pytest.mark.parametrize("batch_id", [UNKNOWN, "x", "msgbatch_", "..", "%2F", "msgbatch_{}"])
def test_an_unknown_id_is_not_found(api: Api, batch_id: str) -> None:
    for answer in (api.get(f"{BATCHES}/{batch_id}"), api.cancel(batch_id), api.delete(batch_id), api.results(batch_id)):
        assert answer.status == 404
        assert answer.error["type"] == "not_found_error"


def test_a_batch_of_messages_is_shown_whatever_dialect_it_came_through(api: Api, project: Project) -> None:
    batch = submitted(project, endpoint="/v1/messages")
    shown = api.batch(str(batch))
    assert shown["id"] == f"msgbatch_{batch.id.hex}"
    assert shown["request_counts"]["processing"] == 0, "it is not known before its file was read"
    validate(batch.id, now=timezone.now())
    assert api.batch(str(batch))["request_counts"]["processing"] == 1
    assert [item["id"] for item in api.get().json["data"]] == [shown["id"]]


def test_a_batch_of_another_endpoint_is_not_found_and_the_right_face_is_named(api: Api, project: Project) -> None:
    batch = submitted(project, endpoint="/v1/chat/completions", dialect=Dialect.OPENAI)
    for answer in (api.get(f"{BATCHES}/{batch}"), api.cancel(str(batch)), api.delete(str(batch)), api.results(str(batch))):
        assert answer.status == 404
        assert f"/v1/batches/{batch}" in answer.error["message"]
    assert api.get().json["data"] == []


def test_a_batch_of_messages_is_shown_by_the_openai_dialect_too(api: Api) -> None:
    batch_id = api.batch_id(request("a"), request("b"))
    del api.headers["anthropic-version"]  # with which every path under /v1 is Anthropic's
    shown = api.get(f"/v1/batches/{batch_id}").json
    assert (shown["endpoint"], shown["status"]) == ("/v1/messages", "validating")
    assert shown["request_counts"] == {"total": 0, "completed": 0, "failed": 0}


def test_another_tenant_sees_nothing(api: Api, stranger: Api) -> None:
    batch_id = api.batch_id()
    move(batch_id, *ENDED)
    for answer in (
        stranger.get(f"{BATCHES}/{batch_id}"),
        stranger.cancel(batch_id),
        stranger.delete(batch_id),
        stranger.results(batch_id),
    ):
        assert answer.status == 404
    assert stranger.get().json["data"] == []
    assert stranger.get(f"{BATCHES}?after_id={batch_id}").status == 400


# --- List ------------------------------------------------------------------------------------------------------


def test_an_empty_list(api: Api) -> None:
    assert api.get().json == {"data": [], "has_more": False, "first_id": None, "last_id": None}


def test_a_list_is_newest_first_with_the_ends_named(api: Api) -> None:
    ids = [api.batch_id() for _ in range(3)][::-1]
    page = api.get().json
    assert [item["id"] for item in page["data"]] == ids
    assert (page["first_id"], page["last_id"], page["has_more"]) == (ids[0], ids[-1], False)
    assert page["data"][0] == api.batch(ids[0])


def test_pages_go_forwards_and_backwards(api: Api) -> None:
    a, b, c, d, e = [api.batch_id() for _ in range(5)][::-1]

    def page(query: str) -> tuple[list[str], bool]:
        found = api.get(f"{BATCHES}?limit=2&{query}").json
        return [item["id"] for item in found["data"]], found["has_more"]

    assert page("") == ([a, b], True)
    assert page(f"after_id={b}") == ([c, d], True)
    assert page(f"after_id={d}") == ([e], False)
    assert page(f"after_id={c}") == ([d, e], False)
    assert page(f"after_id={e}") == ([], False)
    assert page(f"before_id={e}") == ([c, d], True)
    assert page(f"before_id={c}") == ([a, b], False)
    assert page(f"before_id={b}") == ([a], False)
    assert page(f"before_id={a}") == ([], False)


def test_a_cursor_may_have_been_deleted_meanwhile(api: Api) -> None:
    newer, older = (api.batch_id() for _ in range(2))
    move(newer, *ENDED)
    newer, older = older, newer
    assert api.delete(older).status == 200
    assert api.get(f"{BATCHES}?before_id={older}").json["first_id"] == newer


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=",
        "limit=-1",
        "limit=1.0",
        "after_id=",
        "after_id=x",
        f"after_id={UNKNOWN}",
        f"before_id={UNKNOWN}",
        f"after_id={UNKNOWN}&before_id={UNKNOWN}",
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_by_name(api: Api, query: str) -> None:
    answer = api.get(f"{BATCHES}?{query}")
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert query.partition("=")[0] in answer.error["message"]


def test_parameters_that_are_not_known_are_ignored(api: Api) -> None:
    assert api.get(f"{BATCHES}?beta=true&limit=1000", headers={"anthropic-beta": "message-batches-2024-09-24"}).status == 200


def test_a_long_list_costs_no_more_queries_than_a_short_one(
    api: Api, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(12):
        move(api.batch_id(), BatchStatus.IN_PROGRESS)
    with django_assert_max_num_queries(6):
        assert len(api.get().json["data"]) == 12
