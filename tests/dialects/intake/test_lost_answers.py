"""C4: a create call that its client calls a retry means the first one until the client has used the id of its batch."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches.models import ApiKey, Batch, IdempotencyRecord, Project
from tests.api.conftest import Native, request
from tests.conftest import Queue
from tests.dialects.conformance import FACES, Face

everywhere = pytest.mark.parametrize("face", FACES, indirect=True)
listing = pytest.mark.parametrize("face", [name for name, face in FACES.items() if face.lists], indirect=True)
cancelling = pytest.mark.parametrize("face", [name for name, face in FACES.items() if face.cancels], indirect=True)


@pytest.fixture
def face(request: pytest.FixtureRequest, queue: Queue, key: str) -> Face:
    return FACES[request.param](key)


class Call:
    """One create call, which may be repeated."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self.document = face.document(["a"], failing=[])

    def make(self, *, count: str = "0") -> str:
        answer = self.face.create_from(self.document, x_stainless_retry_count=count)
        assert answer.status in (200, 202), answer.content
        return str(answer.json[self.face.known_by])

    def again(self) -> str:
        return self.make(count="1")


@everywhere
def test_a_retry_after_the_batch_was_read_is_another_call(face: Face) -> None:
    call = Call(face)
    first = call.make()
    assert call.again() == first, "its answer may have been lost"
    face.shown(first)
    second = call.again()
    assert second != first
    assert call.again() == second, "of the new one nothing is known to have arrived"


@listing
def test_a_retry_after_the_batch_was_listed_is_another_call(face: Face) -> None:
    call = Call(face)
    first = call.make()
    assert face.listed(limit=10) == ([first], None)
    assert call.again() != first


@cancelling
def test_a_retry_after_a_cancel_does_not_bring_back_what_was_cancelled(face: Face) -> None:
    call = Call(face)
    first = call.make()
    face.cancel(first)
    assert call.again() != first


@everywhere
def test_a_retry_after_the_end_is_another_call_and_before_it_was_seen_the_ended_one(face: Face, queue: Queue) -> None:
    call = Call(face)
    first = call.make()
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    assert call.again() == first
    face.outcomes(first)
    assert call.again() != first


@pytest.mark.parametrize("face", ["openai", "novita"], indirect=True)
def test_a_retry_after_its_output_was_read_is_another_call(face: Face, queue: Queue) -> None:
    call = Call(face)
    first = call.make()
    queue.run_until(lambda: Batch.objects.get().is_terminal)
    files = face.path().replace("batches", "files")
    assert face.get(f"{files}/{Batch.objects.get().output_file}/content").status == 200
    assert call.again() != first


@everywhere
def test_what_another_client_looks_at_says_nothing_about_the_answer(face: Face, project: Project) -> None:
    call = Call(face)
    first = call.make()
    monitor = type(face)(ApiKey.issue(project=project, name="monitor")[1])
    monitor.shown(first)
    assert call.again() == first


@everywhere
def test_with_an_idempotency_key_the_batch_is_the_same_for_a_day(face: Face) -> None:
    document = face.document(["a"], failing=[])
    first = face.create_from(document, Idempotency_Key="k").json[face.known_by]
    face.shown(first)
    assert face.create_from(document, Idempotency_Key="k", x_stainless_retry_count="1").json[face.known_by] == first


def test_in_the_native_api_too(key: str, queue: Queue) -> None:
    native = Native(key)
    retry = {"x-stainless-retry-count": "1"}
    uses: list[Callable[[str], object]] = [
        lambda batch: native.get(f"batches/{batch}"),
        lambda _: native.get("batches"),
        lambda batch: native.get(f"batches/{batch}/objects"),
        lambda batch: native.post(f"batches/{batch}/cancel"),
    ]
    for number, use in enumerate(uses):
        requests = [request(f"row-{number}")]
        first = native.create(requests=requests).json["id"]
        assert native.create(requests=requests, headers=retry).json["id"] == first
        use(first)
        assert native.create(requests=requests, headers=retry).json["id"] != first


@pytest.mark.parametrize("face", ["openai"], indirect=True)
def test_a_poll_writes_once_and_never_later_than_a_retry_could_mean_it(
    face: Face, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first, second = face.batch_id("a"), face.batch_id("b")
    Batch.objects.filter(id_used_at=None, input_file__isnull=False).update(id_used_at=None)
    with django_assert_num_queries(3) as captured:  # the key, the batch, the note
        face.shown(first)
    assert [query["sql"][:6] for query in captured.captured_queries].count("UPDATE") == 1
    old = Batch.objects.exclude(id_used_at__isnull=False).get()
    assert str(old) == second
    Batch.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(minutes=11))
    for batch_id in (first, second):
        with django_assert_num_queries(2):
            face.shown(batch_id)


def test_a_retry_in_place_that_is_repeated_is_done_once(key: str, queue: Queue) -> None:
    """A batch that was known before a call says nothing about the call's answer."""
    native = Native(key)
    batch = native.create(
        requests=[request("a"), request("b", body={"model": "m", "messages": [1], "simulate": {"status": 400}})]
    )
    path = f"batches/{batch.json['id']}"
    queue.run_until(lambda: native.get(path).json["status"] == "completed")
    first = native.post(f"{path}/retry")
    second = native.post(f"{path}/retry", headers={"x-stainless-retry-count": "1"})
    assert (first.status, second.status) == (201, 201)
    assert first.json["batch"]["id"] == second.json["batch"]["id"]
    assert IdempotencyRecord.objects.filter(path__endswith="/retry").count() == 1
