"""Message batches: cancelled and deleted."""

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from batches.models import Batch, Dialect, Event, File, Project, Purpose
from batches.rules.actors import Actor
from batches.rules.states import BatchStatus, Source
from batches.services.intake.submit import submit
from batches.services.lifecycle.validate import validate
from batches.services.storage.store import store
from tests.cast import asked
from tests.conftest import Queue
from tests.dialects.anthropic.conftest import BATCHES, ENDED, Api, move, request, stored_batch


def submitted(project: Project, *, endpoint: str, dialect: Dialect = Dialect.BIFROST) -> Batch:
    """A batch that came through another dialect, as a file."""
    now = timezone.now()
    line = f'{{"custom_id":"a","method":"POST","url":"{endpoint}","body":{{"model":"m","messages":[1]}}}}\n'
    file = store(ContentFile(line.encode()), project=project, purpose=Purpose.BATCH, filename="jobs.jsonl", now=now)
    submission = asked(project, dialect=dialect, endpoint=endpoint)
    return submit(submission, input_file=file, actor=Actor("key tests", Source.API), now=now)


# --- Cancel ------------------------------------------------------------------------------------------------------


def test_cancelling_twice_is_cancelling_once(api: Api, queue: Queue) -> None:
    batch_id = api.batch_id(request("a"), request("b"))
    first, second = api.cancel(batch_id), api.cancel(batch_id)
    assert first.status == second.status == 200
    assert first.json == second.json
    assert first.json["processing_status"] == "canceling"
    assert first.json["cancel_initiated_at"] is not None
    assert first.json["request_counts"]["processing"] == 2

    queue.run_until(lambda: Batch.objects.get().is_terminal)

    shown = api.batch(batch_id)
    assert shown["processing_status"] == "ended"
    assert shown["request_counts"] == {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 2, "expired": 0}
    assert api.results(batch_id).results == {"a": {"type": "canceled"}, "b": {"type": "canceled"}}
    assert api.cancel(batch_id).json == shown


@pytest.mark.parametrize("path", [ENDED, ENDED[:2], (BatchStatus.FAILED,)])
def test_a_cancel_that_comes_too_late_changes_nothing(api: Api, path: tuple[BatchStatus, ...]) -> None:
    batch_id = api.batch_id()
    move(batch_id, *path)
    before = api.batch(batch_id)
    answer = api.cancel(batch_id)
    assert (answer.status, answer.json) == (200, before)


def test_a_batch_cancelled_while_it_is_validated_keeps_its_requests_once(api: Api, queue: Queue) -> None:
    batch_id = api.batch_id(*(request(f"r{number}") for number in range(600)))
    batch = stored_batch(batch_id)
    validate(batch.pk, now=timezone.now())
    Batch.objects.update(status=BatchStatus.VALIDATING, in_progress_at=None)  # laid out, its last step lost
    api.cancel(batch_id)
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    assert api.batch(batch_id)["request_counts"]["canceled"] == 600
    assert len(api.results(batch_id).results) == 600


# --- Delete ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [(), (BatchStatus.IN_PROGRESS,), (BatchStatus.CANCELLING,), ENDED[:2]])
def test_a_batch_that_has_not_ended_cannot_be_deleted(api: Api, path: tuple[BatchStatus, ...]) -> None:
    batch_id = api.batch_id()
    if path:
        move(batch_id, *path)
    answer = api.delete(batch_id)
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert "cancel" in answer.error["message"]
    assert api.batch(batch_id)["id"] == batch_id


def test_a_deleted_batch_is_gone_for_its_clients_in_every_dialect(api: Api, queue: Queue) -> None:
    batch_id = api.batch_id()
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    assert len(api.get("/openai/v1/files").json["data"]) == 2, "its input and its output"
    answer = api.delete(batch_id)
    assert (answer.status, answer.json) == (200, {"id": batch_id, "type": "message_batch_deleted"})
    for gone in (api.get(f"{BATCHES}/{batch_id}"), api.results(batch_id), api.cancel(batch_id), api.delete(batch_id)):
        assert gone.status == 404
    assert api.get(f"/v1/batches/{batch_id}").status == 404
    assert api.get().json["data"] == api.get("/openai/v1/files").json["data"] == []


def test_operators_still_see_a_deleted_batch_and_who_deleted_it(api: Api) -> None:
    batch_id = api.batch_id()
    batch = move(batch_id, *ENDED)
    api.delete(batch_id)
    event = Event.objects.last()
    assert event is not None
    assert (event.actor, event.from_status, event.to_status) == ("key tests", "completed", "completed")
    assert event.version == batch.version + 1
    assert Batch.objects.get().deleted_at is not None


def test_a_file_that_a_client_uploaded_outlives_the_batch(api: Api, project: Project) -> None:
    batch: Any = submitted(project, endpoint="/v1/messages")
    move(f"msgbatch_{batch.id.hex}", *ENDED)
    assert api.delete(str(batch)).status == 200
    assert File.objects.get().deleted_at is None
