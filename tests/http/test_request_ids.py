"""The id of a request: a client's own, if it is harmless, else a new one."""

import pytest
from django.test import Client

from batches.http.request_ids import new_id, request_id_of


@pytest.mark.parametrize("given", ["a", "req_0123", "4bf92f3577b34da6a3ce929d0e0e4736", "A.b:c-d_e", "x" * 64])
def test_a_short_plain_id_is_kept(given: str) -> None:
    assert new_id(given=given) == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\nb", "a\n", '"}', "-a", "é", "a\x00", "a/b", "a,b", "<b>"])
def test_any_other_text_is_ignored(given: str) -> None:
    assert new_id(given=given).startswith("req_")
    assert new_id(given=given) != new_id(given=given)


def test_a_request_keeps_its_id() -> None:
    environ: dict[str, object] = {}

    assert request_id_of(environ) == request_id_of(environ)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/v1/batches", "/api/v1/batches", "/bifrost/v1/batches", "/v1/messages/batches", "/nowhere"])
def test_the_answer_has_the_id_that_was_given(client: Client, path: str) -> None:
    answer = client.get(path, headers={"X-Request-Id": "from-a-proxy.1"})

    assert answer["x-request-id"] == answer["request-id"] == "from-a-proxy.1"


@pytest.mark.django_db
def test_an_error_has_it_too(client: Client) -> None:
    answer = client.get("/v1/messages/batches", headers={"X-Request-Id": "mine", "anthropic-version": "2023-06-01"})

    assert (answer.status_code, answer.json()["request_id"]) == (401, "mine")
