"""While intake is stopped: what brings something new is refused in each dialect's words; reads and cancels go on."""

import logging

import pytest
from django.utils import timezone

from batches.http.scopes import need_of
from batches.models import Batch, File, Project, Stopped
from batches.rules.states import BatchStatus
from batches.services.policy.emergency_stop import Place, begin_stop, end_stop
from providers.models import Provider
from tests.api.conftest import Native, problem
from tests.cast import TESTER
from tests.console.conftest import MakeBatch
from tests.dialects.conformance import FACES, Face
from tests.dialects.openai.conftest import Answer, Api
from tests.dialects.routes import EVERY_CALL, Route
from tests.dialects.test_routes import call, on_every, things

pytestmark = pytest.mark.django_db

REASON = "The store of files is being moved."
TAKES_IN = [(route, method) for route, method in EVERY_CALL if (need := need_of(route.path, method)) and need.takes_in]
OTHERS = [call for call in EVERY_CALL if call not in TAKES_IN]


def stop_intake(place: Place = Place()) -> None:  # noqa: B008 - a value
    begin_stop(Stopped.INTAKE, place, reason=REASON, actor=TESTER, now=timezone.now())


@pytest.fixture
def face(dialect: str, key: str, simulator: Provider) -> Face:
    return FACES[dialect](key)


def assert_refused(answer: Answer, said: str) -> None:
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "60"
    assert REASON in said


@on_every(TAKES_IN)
def test_what_is_new_is_refused_with_the_reason_before_its_body_is_read(
    route: Route, method: str, face: Face, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    path = things(project, endpoint=route.endpoint).path(route)
    stop_intake(Place(project=project))
    with caplog.at_level(logging.ERROR, logger="batches"):
        answer = call(face, method, path, b"no JSON at all")
    assert_refused(answer, face.problem(answer))
    assert (Batch.objects.count(), File.objects.count()) == (1, 1)
    assert not [record for record in caplog.records if record.name.startswith("batches")], "nothing is wrong with the portal"


@on_every(OTHERS)
def test_reads_and_cancels_go_on(route: Route, method: str, face: Face, project: Project) -> None:
    path = things(project, endpoint=route.endpoint).path(route)
    stop_intake()
    answer = call(face, method, path)
    not_ended = route.path.endswith("results") or method == "DELETE"  # Anthropic's, which want a batch that has ended
    is_bare = method == "POST" and b"missing_required_parameter" in answer.content  # webhooks', whose calls want a body
    assert answer.status == 200 or ((not_ended or is_bare) and answer.status == 400), answer.content


@pytest.mark.parametrize("name", sorted(FACES))
def test_a_provider_that_takes_nothing_refuses_its_own_batches(name: str, key: str, simulator: Provider) -> None:
    face = FACES[name](key)
    document = face.document(["a"], failing=[])
    stop_intake(Place(provider=simulator))
    answer = face.create_from(document)
    assert_refused(answer, face.problem(answer))
    assert not Batch.objects.exists()


@pytest.mark.parametrize("name", sorted(FACES))
def test_a_call_that_was_carried_out_before_is_answered_with_what_it_made(name: str, key: str, simulator: Provider) -> None:
    face = FACES[name](key)
    document = face.document(["a"], failing=[])
    first = face.create_from(document, Idempotency_Key="once")
    stop_intake()
    again = face.create_from(document, Idempotency_Key="once")
    assert (again.status, again.json[face.known_by]) == (first.status, first.json[face.known_by])
    other = face.create_from(document, Idempotency_Key="twice")
    assert_refused(other, face.problem(other))


def test_other_projects_go_on(key: str, other_key: str, project: Project, simulator: Provider) -> None:
    stop_intake(Place(project=project))
    assert Api(key).upload().status == 503
    assert Api(other_key).upload().status == 200


def test_it_is_taken_again_once_the_stop_has_ended(key: str, simulator: Provider) -> None:
    now = timezone.now()
    stop = begin_stop(Stopped.INTAKE, Place(), reason=REASON, actor=TESTER, now=now)
    assert Api(key).upload().status == 503
    end_stop(stop, actor=TESTER, now=now)
    assert Api(key).upload().status == 200


# --- The native API --------------------------------------------------------------------------------------------


def test_the_native_api_refuses_creations_uploads_and_retries_and_cancels_go_on(
    key: str, project: Project, simulator: Provider
) -> None:
    native, make = Native(key), MakeBatch(project, simulator)
    running = make(BatchStatus.IN_PROGRESS, pending=1, failed=1)
    ended = make(succeeded=1, failed=1)
    stop_intake()
    for answer in (
        native.create(),
        native.create(dry_run=True),
        native.upload(),
        native.post(f"batches/{running}/retry"),
        native.post(f"batches/{ended}/retry"),
    ):
        assert problem(answer)["code"] == "intake_stopped"
        assert_refused(answer, problem(answer)["message"])
    assert native.get("batches").status == 200
    assert native.post(f"batches/{running}/pause").status == 200
    assert native.post(f"batches/{running}/cancel").status == 200
    assert Batch.objects.count() == 2
