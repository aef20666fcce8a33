"""How much of the API one key and one project may use: every dialect says so in its own words."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.http.callers import request_rates
from batches.http.callers.call_limits import begin_call
from batches.models import ApiKey, File, Project
from batches.rules.errors import RateLimited
from batches.services.people.authenticate import authenticate
from providers.models import Provider
from tests.dialects.conformance import FACES
from tests.dialects.intake.conftest import api
from tests.dialects.openai.conftest import Answer, Api

__all__ = ["api"]

pytestmark = pytest.mark.django_db

PATHS = {
    "openai": "/v1/batches",
    "azure": "/openai/batches?api-version=1",
    "anthropic": "/v1/messages/batches",
    "bifrost": "/bifrost/v1/batches?provider=simulator",
    "novita": "/openai/v1/batches",
    "merge": "/api/accounting/v1/invoices/bulk/none",
    "native": "/api/v1/batches",
}


def kind(name: str, answer: Answer) -> Any:
    """What a dialect calls the error."""
    error = answer.json.get("error", {})
    return {
        "anthropic": error.get("type"),
        "merge": answer.json.get("detail") and "detail",
        "native": error.get("code"),
    }.get(name, (error.get("type"), error.get("code")))


EXPECTED = {
    "anthropic": "rate_limit_error",
    "merge": "detail",
    "native": "rate_limit_exceeded",
}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing was counted before."""
    request_rates.rates.cache_clear()
    yield
    request_rates.rates.cache_clear()


@pytest.mark.parametrize("name", PATHS)
def test_too_many_calls_in_a_minute_are_told_in_the_words_of_the_dialect(api: Api, settings: Settings, name: str) -> None:
    settings.KEY_REQUESTS_PER_MINUTE = 3
    answers = [api.get(PATHS[name], headers={"X-Account-Token": "simulator"}) for _ in range(4)]

    assert [answer.status == 429 for answer in answers] == [False, False, False, True]
    refused = answers[-1]
    assert kind(name, refused) == EXPECTED.get(name, ("rate_limit_error", "rate_limit_exceeded"))
    assert 1 <= int(refused.headers["Retry-After"]) <= 120
    assert "x-should-retry" not in refused.headers


@pytest.mark.parametrize("name", sorted(FACES))
def test_every_dialect_tells_its_clients_that_there_were_too_many_calls(
    key: str, simulator: Provider, settings: Settings, name: str
) -> None:
    settings.KEY_REQUESTS_PER_MINUTE = 1
    face = FACES[name](key)
    face.read("none")

    refused = face.read("none")
    assert refused.status == 429
    assert "in a minute" in face.problem(refused)


def test_all_keys_of_a_project_share_what_it_may_do(api: Api, settings: Settings, project: Project) -> None:
    settings.PROJECT_REQUESTS_PER_MINUTE = 3
    second = Api(ApiKey.issue(project=project, name="second")[1])

    answers = [caller.get("/v1/batches").status for caller in (api, second, api, second)]

    assert answers == [200, 200, 200, 429]


def test_another_project_does_not_notice(api: Api, settings: Settings, other_key: str) -> None:
    settings.KEY_REQUESTS_PER_MINUTE = settings.PROJECT_REQUESTS_PER_MINUTE = 2

    assert [api.get("/v1/batches").status for _ in range(3)] == [200, 200, 429]
    assert Api(other_key).get("/v1/batches").status == 200


def test_a_wrong_key_is_a_401_however_often_it_is_tried(settings: Settings) -> None:
    settings.KEY_REQUESTS_PER_MINUTE = 1

    assert {Api("by_wrong").get("/v1/batches").status for _ in range(5)} == {401}


def test_a_body_is_refused_unread(api: Api, settings: Settings) -> None:
    settings.KEY_REQUESTS_PER_MINUTE = 1
    api.get("/v1/batches")

    class Unread:
        def read(self, _size: int = -1) -> bytes:
            raise AssertionError("the body was read")

        readline = read

    answer = api.call("POST", "/v1/batches", data=b"", **{"wsgi.input": Unread(), "CONTENT_LENGTH": "1000"})
    assert answer.status == 429


def test_without_a_limit_nothing_is_counted(api: Api, settings: Settings) -> None:
    settings.KEY_REQUESTS_PER_MINUTE = settings.PROJECT_REQUESTS_PER_MINUTE = 0
    settings.KEY_CONCURRENT_CALLS = settings.PROJECT_CONCURRENT_CALLS = 0

    assert {api.get("/v1/batches").status for _ in range(5)} == {200}


def test_calls_at_once_are_bounded_and_end(key: str, api: Api, settings: Settings) -> None:
    settings.KEY_CONCURRENT_CALLS = 2
    known = authenticate(key, now=timezone.now())
    first, _second = begin_call(known), begin_call(known)

    refused = api.get("/v1/batches")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    first.end()
    first.end()
    assert [api.get("/v1/batches").status for _ in range(3)] == [200, 200, 200]
    begin_call(known)
    with pytest.raises(RateLimited, match="2 calls in progress"):
        begin_call(known)


def test_keys_of_one_project_share_its_calls_at_once(key: str, settings: Settings, project: Project, other_key: str) -> None:
    settings.PROJECT_CONCURRENT_CALLS = 1
    second = ApiKey.issue(project=project, name="second")[1]
    call = begin_call(authenticate(key, now=timezone.now()))

    assert Api(second).get("/v1/batches").status == 429
    assert Api(other_key).get("/v1/batches").status == 200
    call.end()
    assert Api(second).get("/v1/batches").status == 200


def test_a_download_is_one_call_until_it_was_read(api: Api, settings: Settings) -> None:
    settings.KEY_CONCURRENT_CALLS = 1
    file = File.objects.get(pk=api.file_id(b"{}\n").removeprefix("file-"))

    download = api.client.get(f"/v1/files/{file}/content", headers=api.headers)

    assert download.status_code == 200
    assert api.get("/v1/batches").status == 429
    assert b"".join(download.streaming_content) == b"{}\n"  # type: ignore[attr-defined]
    assert api.get("/v1/batches").status == 200


@pytest.mark.parametrize("path", ["/v1/batches/none", "/v1/batches?limit=x", "/v1/files/none/content", "/v1/nothing"])
def test_a_call_that_fails_has_ended_too(api: Api, settings: Settings, path: str) -> None:
    settings.KEY_CONCURRENT_CALLS = 1

    assert {api.get(path).status for _ in range(3)} <= {400, 404}
