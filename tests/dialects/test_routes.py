"""What holds on every route of every dialect, also on those that are still to come."""

import re
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches.models import Batch, File, Project, Purpose, Upload, WebhookEndpoint
from batches.services.intake.submit import submit
from providers.models import Provider
from tests.cast import TESTER, asked, stored
from tests.dialects.conformance import FACES, AnthropicFace, Face
from tests.dialects.openai.conftest import Answer
from tests.dialects.routes import EVERY_CALL, METHODS, ROUTES, Route, label
from tests.matrix import Test, every
from tests.webhooks import make_endpoint

UNKNOWN = "0" * 32
NAMING = [(route, method) for route, method in EVERY_CALL if route.names]
OF_THE_PORTAL = "/webhook_event_types"  # a list that is the same for every project
LISTS = [route for route in ROUTES if not route.names and "GET" in route.methods and not route.path.endswith(OF_THE_PORTAL)]

# What SDKs send that no dialect has to understand, and what would change an answer if it were understood.
STRANGE_HEADERS = {
    "x-stainless-timeout": "NOT_GIVEN",
    "x-stainless-retry-count": "NOT_GIVEN",
    "X-Fern-Language": "Python",
    "X-Fern-SDK-Version": "",
    "X-Forwarded-Proto": "https",
    "If-Modified-Since": "tomorrow",
}


def on_every(calls: Sequence[Route | tuple[Route, str]]) -> Callable[[Test], Test]:
    """One test a dialect, of all its routes, or of all its calls."""
    names = "route, method" if isinstance(calls[0], tuple) else "route"

    def decorate(test: Test) -> Test:
        tried = every(names, lambda made: [call for call in calls if FACES[dialect_of(call)] is type(made["face"])], ids=label)
        return pytest.mark.parametrize("dialect", sorted(set(map(dialect_of, calls))))(tried(test))

    return decorate


def dialect_of(call: Route | tuple[Route, str]) -> str:
    return (call[0] if isinstance(call, tuple) else call).dialect


every_route = on_every(ROUTES)
every_call = on_every(EVERY_CALL)
every_post = on_every([route for route in ROUTES if "POST" in route.methods])


@dataclass(frozen=True, slots=True)
class Things:
    """What `project` has: one of everything that a path can name."""

    batch: Batch
    file: File
    upload: Upload
    endpoint: WebhookEndpoint
    model: str  # that the batch named

    def path(self, route: Route) -> str:
        things = {"batch_id": self.batch, "file_id": self.file, "upload_id": self.upload, "endpoint_id": self.endpoint}
        return route.path.format(**things, model=self.model)


def things(project: Project, *, endpoint: str) -> Things:
    now = timezone.now()
    file = stored(project, b"{}\n")
    batch = submit(asked(project, endpoint=endpoint), input_file=file, actor=TESTER, now=now)
    of_upload = {"filename": "x", "mime_type": "text/plain", "purpose": Purpose.BATCH, "bytes": 5}
    upload = Upload.objects.create(project=project, created_at=now, expires_at=now + timedelta(hours=1), **of_upload)
    model = f"model-{project.pk.hex}"
    Batch.objects.filter(pk=batch.pk).update(model=model, in_progress_at=now)
    return Things(batch, file, upload, make_endpoint(project), model)


def call(face: Face, method: str, path: str, body: bytes = b"") -> Answer:
    return face.call(method, path + face.query, data=body, content_type="application/json")


def unknown(route: Route, identifier: str = UNKNOWN) -> str:
    return route.path.format(**dict.fromkeys(route.names, identifier))


@pytest.fixture
def face(dialect: str, key: str, simulator: Provider) -> Face:
    """A client of `project` in the dialect."""
    return FACES[dialect](key)


def test_every_dialect_has_routes() -> None:
    assert {route.dialect for route in ROUTES} == set(FACES)
    assert len(EVERY_CALL) > 40


@on_every(NAMING)
def test_what_belongs_to_somebody_else_is_not_found(
    route: Route, method: str, face: Face, project: Project, other_key: str
) -> None:
    owned = things(project, endpoint=route.endpoint)
    stranger = type(face)(other_key)
    path = owned.path(route)
    foreign, missing = call(stranger, method, path), call(stranger, method, unknown(route))
    assert foreign.status == missing.status == 404
    said = [re.sub(r"\w+[_-][0-9a-f]{32}|[0-9a-f-]{36}|0{32}", "", face.problem(answer)) for answer in (foreign, missing)]
    assert said[0] == said[1]
    assert Batch.objects.get().version == 1
    assert File.objects.get().deleted_at is None
    assert Upload.objects.get().status == "pending"
    assert call(face, method, path).status != 404, "it is there for its owner"


@on_every(LISTS)
def test_a_list_has_nothing_of_somebody_else(route: Route, face: Face, project: Project, other_key: str) -> None:
    owned = things(project, endpoint=route.endpoint)
    stranger = type(face)(other_key)
    hexes = (owned.batch.id.hex, owned.file.id.hex, owned.endpoint.id.hex, owned.model)
    assert any(one in call(face, "GET", route.path).content.decode() for one in hexes)
    answer = call(stranger, "GET", route.path)
    assert answer.status == 200
    assert not any(one in answer.content.decode() for one in hexes)


@every_call
def test_without_a_key_the_door_is_closed(route: Route, method: str, face: Face) -> None:
    answer = call(type(face)(None), method, unknown(route), b'{"no": "matter"}')
    assert answer.status == 401
    assert face.problem(answer)


@every_call
def test_a_slash_too_many_is_named_and_never_redirected(route: Route, method: str, face: Face) -> None:
    answer = call(face, method, unknown(route) + "/")
    assert answer.status == 404
    assert "slash" in face.problem(answer)


@every_route
def test_a_method_that_is_not_there_is_refused_with_those_that_are(route: Route, face: Face) -> None:
    for method in [*(set(METHODS) - set(route.methods)), "TRACE", "NONSENSE"]:
        answer = call(face, method, unknown(route))
        assert answer.status == 405
        assert set(route.methods) <= set(answer.headers["Allow"].split(", ")) <= {*route.methods, "HEAD", "OPTIONS"}
        assert method in face.problem(answer)


@on_every(NAMING)
def test_an_id_that_is_none_is_not_found(route: Route, method: str, face: Face) -> None:
    for identifier in ("a%2Fb", "%2F", "..", "%00", "%ff", "x" * 3000, "batch_" + "g" * 32, "%0a", "null"):
        answer = call(face, method, unknown(route, identifier))
        assert answer.status == 404, identifier
        assert len(face.problem(answer)) < 500


@every_post
def test_a_body_that_is_garbage_breaks_nothing(route: Route, face: Face, project: Project) -> None:
    garbage = (b"", b"{", b"[]", b"null", b"\xff", b"\x00", b'{"a": NaN}', b"[" * 5000, b"--b\r\n\r\n", b'{"requests": [{}]}')
    for body in garbage:
        answer = call(face, "POST", things(project, endpoint=route.endpoint).path(route), body)
        is_optional = route.path.endswith(("/rotate_secret", "/{endpoint_id}"))
        if route.path.endswith("/cancel") or (is_optional and not body):  # the former looks at no body
            assert answer.status == 200
        else:
            assert answer.status in (400, 415), body
            assert face.problem(answer)
    assert Batch.objects.count() == len(garbage)


@on_every([route for route in ROUTES if "GET" in route.methods])
def test_c7_query_parameters_that_nobody_knows_are_refused_but_for_those_of_sdks(
    route: Route, face: Face, project: Project
) -> None:
    path = things(project, endpoint=route.endpoint).path(route) + (face.query or "?") + "&beta=true&api-version=1"
    answer = face.get(path)
    known = call(face, "GET", path.partition("?")[0])
    assert (answer.status, answer.headers["Content-Type"]) == (known.status, known.headers["Content-Type"])
    for more in ("&%00=%ff", "&x[]=", "&statuz=failed"):
        answer = face.get(path + more)
        if isinstance(face, AnthropicFace):  # that contract says to ignore them
            assert answer.status == known.status
        else:
            assert answer.status == 400
            assert face.problem(answer)
    assert face.get(path + "&beta=true").status == 400


@every_route
def test_every_answer_names_its_request(route: Route, face: Face) -> None:
    for path in (unknown(route), unknown(route) + "/"):
        headers = call(face, "GET", path).headers
        assert headers["x-request-id"] == headers["request-id"]
        assert headers["x-request-id"].startswith("req_")


@every_route
def test_options_are_told_and_cookies_are_not_set(route: Route, face: Face) -> None:
    answer = call(face, "OPTIONS", unknown(route))
    assert answer.status == 200
    assert "Set-Cookie" not in answer.headers
    assert set(route.methods) <= set(answer.json["allow"])


@on_every(LISTS)
def test_a_list_takes_no_more_queries_for_more(
    route: Route, face: Face, project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(4):
        things(project, endpoint=route.endpoint)
    call(face, "GET", route.path)  # that a client knows their ids is noted once
    with django_assert_max_num_queries(5):  # the key; the rows, counts, reasons; or providers, defaults, models, batches
        call(face, "GET", route.path)


@every_call
def test_no_answer_is_a_redirect_and_none_is_empty(route: Route, method: str, face: Face, project: Project) -> None:
    for path in (things(project, endpoint=route.endpoint).path(route), unknown(route), unknown(route) + "//"):
        answer = call(face, method, path)
        assert answer.status == 200 or answer.status >= 400
        assert answer.content


@every_call
def test_headers_that_nobody_can_read_are_ignored(route: Route, method: str, face: Face, project: Project) -> None:
    plain = call(face, method, things(project, endpoint=route.endpoint).path(route))
    odd = copy(face)
    odd.headers = face.headers | STRANGE_HEADERS
    assert call(odd, method, things(project, endpoint=route.endpoint).path(route)).status == plain.status
