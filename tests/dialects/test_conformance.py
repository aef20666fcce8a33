"""What every dialect does alike: a batch from its creation to its results, and whatever may go wrong on the way."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from batches.models import Batch, Dialect, File, IdempotencyRecord, Project
from batches.services.intake import idempotency as once
from tests.conftest import Queue
from tests.dialects.conformance import FACES, Face, OpenAIFace

LISTING = [name for name, face in FACES.items() if face.lists]
CANCELLING = [name for name, face in FACES.items() if face.cancels]
UNKNOWN = "0" * 32


@pytest.fixture
def face(request: pytest.FixtureRequest, queue: Queue, key: str) -> Face:
    """A client of `project` in the dialect that the test is for."""
    return FACES[request.param](key)


@pytest.fixture
def stranger(face: Face, other_key: str) -> Face:
    """A client of `other_project` in the same dialect."""
    return type(face)(other_key)


def of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("face", names, indirect=True)


everywhere = of(*FACES)


def test_every_dialect_is_here() -> None:
    assert set(FACES) == {dialect.value for dialect in Dialect} - {"native"}


@everywhere
def test_a_batch_runs_from_its_creation_to_its_results(face: Face, queue: Queue) -> None:
    batch_id = face.batch_id("a", "b", "c", failing=["b"])
    assert not face.ended(batch_id)
    queue.run_until(lambda: face.ended(batch_id))
    assert face.counts(batch_id) == (2, 1)
    assert face.outcomes(batch_id) == {"a": True, "b": False, "c": True}


@everywhere
def test_a_batch_belongs_to_its_dialect(face: Face, request: pytest.FixtureRequest) -> None:
    face.batch_id()
    assert Batch.objects.get().dialect == next(name for name, kind in FACES.items() if kind is type(face))


@of(*LISTING)
def test_pages_hold_every_batch_once_from_the_newest_to_the_oldest(face: Face) -> None:
    made = [face.batch_id() for _ in range(5)]
    seen, cursor = face.listed(limit=2)
    while cursor:
        page, cursor = face.listed(limit=2, after=cursor)
        assert 1 <= len(page) <= 2
        seen += page
    assert seen == made[::-1]


@of(*LISTING)
def test_an_unknown_cursor_is_refused(face: Face, stranger: Face) -> None:
    theirs = stranger.batch_id()
    name = "after_id" if "messages" in face.batches else "after"
    for cursor in (UNKNOWN, "x", theirs):
        answer = face.get(f"{face.path()}{'&' if face.query else '?'}{name}={cursor}")
        assert answer.status == 400
        assert face.problem(answer)


@of(*CANCELLING)
def test_a_batch_is_cancelled_once_and_cancelling_it_again_changes_nothing(face: Face, queue: Queue) -> None:
    batch_id = face.batch_id("a", "b")
    first = face.cancel(batch_id)
    assert first.status == 200
    version = Batch.objects.get().version
    assert face.cancel(batch_id).status == 200
    assert Batch.objects.get().version == version
    queue.run_until(lambda: face.ended(batch_id))
    assert Batch.objects.get().status == "cancelled"


@everywhere
def test_a_foreign_batch_is_not_found_and_not_touched(face: Face, stranger: Face) -> None:
    theirs = stranger.batch_id()
    own_unknown = face.read(UNKNOWN)
    answer = face.read(theirs)
    assert answer.status == own_unknown.status == 404
    assert face.problem(answer).replace(theirs, "") == face.problem(own_unknown).replace(UNKNOWN, "")
    if face.cancels:
        assert face.cancel(theirs).status == 404
        assert face.get(face.path(theirs, "results")).status == 404
    if face.lists:
        assert face.listed(limit=10) == ([], None)
    assert Batch.objects.get().status == "validating"


@everywhere
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
def test_without_a_good_key_nothing_is_told(face: Face, headers: dict[str, str]) -> None:
    batch_id = face.batch_id()
    nobody = type(face)(None)
    nobody.headers |= headers
    for answer in (nobody.read(batch_id), nobody.get(nobody.path(UNKNOWN)), nobody.create_from({})):
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert face.problem(answer)


@everywhere
@pytest.mark.parametrize("document", [{}, [], "text", None, 5, {"requests": 5, "batch_items": 5, "input_file_id": 5}])
def test_a_body_that_asks_for_nothing_is_refused_and_leaves_nothing_behind(face: Face, document: object) -> None:
    answer = face.create_from(document)
    assert answer.status == 400
    assert face.problem(answer)
    assert not Batch.objects.exists()
    assert not IdempotencyRecord.objects.exists()


@everywhere
def test_an_idempotency_key_makes_one_batch_of_many_calls(face: Face) -> None:
    document = face.document(["a"], failing=[])
    first = face.create_from(document, Idempotency_Key="k")
    again = face.create_from(document, Idempotency_Key="k")
    assert first.status == again.status
    assert first.json[face.known_by] == again.json[face.known_by]
    assert Batch.objects.count() == 1


@everywhere
def test_an_idempotency_key_is_not_taken_for_another_body(face: Face) -> None:
    face.create("a", Idempotency_Key="k")
    answer = face.create("b", Idempotency_Key="k")
    assert answer.status == 400
    assert "Idempotency-Key" in face.problem(answer)
    assert Batch.objects.count() == 1


@everywhere
def test_an_idempotency_key_is_each_clients_own(face: Face, stranger: Face) -> None:
    assert face.create("a", Idempotency_Key="k").status == stranger.create("b", Idempotency_Key="k").status
    assert Batch.objects.count() == 2


@everywhere
def test_without_a_key_only_a_retry_is_taken_for_a_repetition(face: Face) -> None:
    document = face.document(["a"], failing=[])
    calls = [face.create_from(document, x_stainless_retry_count=count) for count in ("0", "1", "2", "0", "NOT_GIVEN")]
    ids = [call.json[face.known_by] for call in calls]
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids[2:])) == 3


@everywhere
def test_a_call_that_is_still_being_worked_on_may_be_repeated_later(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    document = face.document(["a"], failing=[])
    face.create_from(document, Idempotency_Key="k")
    IdempotencyRecord.objects.update(batch=None, created_at=timezone.now())
    monkeypatch.setattr(once, "WAIT_SECONDS", 0.0)
    answer = face.create_from(document, Idempotency_Key="k")
    assert answer.status == 409
    assert int(answer.headers["Retry-After"]) > 0
    assert "x-should-retry" not in answer.headers
    assert face.problem(answer)


@everywhere
def test_a_refused_create_frees_its_idempotency_key(face: Face) -> None:
    assert face.create_from({}, Idempotency_Key="k").status == 400
    assert face.create("a", Idempotency_Key="k").status in (200, 202)


def assert_names_quota(face: Face, document: object, quota: str, sentence: str) -> None:
    """A create call that a quota has no room for is refused in the dialect's own 429, changes nothing and frees its key."""
    before = Batch.objects.count(), File.objects.count()
    Project.objects.filter(slug="acme").update(**{quota: 1})
    answer = face.create_from(document, Idempotency_Key="k")
    assert answer.status == 429
    assert face.problem(answer) == sentence
    assert answer.headers["x-should-retry"] == "false"
    assert "Retry-After" not in answer.headers
    assert (Batch.objects.count(), File.objects.count()) == before
    Project.objects.filter(slug="acme").update(**{quota: None})
    assert face.create_from(document, Idempotency_Key="k").status in (200, 202)


@everywhere
def test_a_quota_of_batches_is_told_in_the_dialects_own_429(face: Face) -> None:
    document = face.document(["a", "b"], failing=[])
    face.batch_id()
    assert_names_quota(
        face, document, "max_open_batches", "Project acme may have 1 open batches; it has 1, and this would add 1."
    )


@of(*(name for name, face in FACES.items() if not issubclass(face, OpenAIFace)))
def test_a_quota_of_objects_is_told_in_the_dialects_own_429(face: Face) -> None:
    document = face.document(["a", "b"], failing=[])
    assert_names_quota(
        face, document, "max_pending_objects", "Project acme may have 1 pending objects; it has 0, and this would add 2."
    )


@of("openai", "novita")
def test_a_file_that_a_quota_has_no_room_for_is_refused_where_it_is_stored(face: OpenAIFace) -> None:
    Project.objects.filter(slug="acme").update(max_stored_bytes=1)
    answer = face.store([face.line("a", fails=False)])
    assert answer.status == 429
    assert face.problem(answer).startswith("Project acme may have 1 stored bytes; it has 0")
    assert answer.error["type"] == answer.error["code"] == "insufficient_quota"
    assert not File.objects.exists()


@of("openai", "novita")
def test_a_file_of_more_objects_than_a_quota_allows_fails_its_validation(face: OpenAIFace, queue: Queue) -> None:
    Project.objects.filter(slug="acme").update(max_pending_objects=1)
    batch_id = face.batch_id("a", "b")
    queue.run_until(lambda: face.ended(batch_id))
    assert face.shown(batch_id)["status"].lower() == "failed"
    assert b"Project acme may have 1 pending objects; it has 0, and this would add 2." in face.read(batch_id).content


@everywhere
def test_an_id_is_read_in_any_form(face: Face) -> None:
    batch_id = face.batch_id()
    forms: list[Callable[[Batch], str]] = [str, lambda batch: str(batch.pk), lambda batch: f"msgbatch_{batch.pk.hex}"]
    for form in forms:
        answer = face.read(form(Batch.objects.get()))
        assert answer.status == 200
        assert answer.json[face.known_by] == batch_id
