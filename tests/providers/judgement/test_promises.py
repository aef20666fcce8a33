"""U1: what each endpoint's answer must hold, and what is made of one that does not hold it."""

from typing import Any

import pytest

from providers.base import OPENAI_ENDPOINTS
from providers.failures import Kind
from tests.providers.judgement.replies import completion, failure, judged, success, written

FULL: dict[str, list[dict[str, Any]]] = {
    "/v1/chat/completions": [
        completion(),
        completion(error=None),
        completion(error={}),
        completion(error=""),
        completion(error={"message": "", "code": None}),
        {"choices": [{"error": None}]},
        {"choices": [{"error": {}}, {"finish_reason": "length"}]},
        {"choices": [{"finish_reason": "error", "error": {"code": 502}}, {"message": {"content": "four"}}]},
    ],
    "/v1/completions": [{"choices": [{"text": "four"}]}],
    "/v1/embeddings": [{"object": "list", "data": [{"embedding": [0.5]}]}, {"data": [{"embedding": "AAAA"}], "error": None}],
    "/v1/moderations": [{"results": [{"flagged": False}]}],
    "/v1/images/generations": [{"created": 1, "data": [{"b64_json": "AAAA"}]}],
    "/v1/images/edits": [{"created": 1, "data": [{"url": "https://host/x"}]}],
    "/v1/responses": [
        {"status": "completed", "output": [{"type": "message"}], "error": None},
        {"status": "incomplete", "output": [], "incomplete_details": {"reason": "max_output_tokens"}},
        {"output": [{"type": "message"}]},
    ],
    "/v1/videos": [{"id": "video_1", "object": "video", "status": "queued", "error": None}],
    "/v1/messages": [{"type": "message", "content": [{"type": "text", "text": "4"}]}, {"type": "message", "content": []}],
    "/v1/score": [{"data": [{"score": 0.5}]}, {"anything": None}],  # an endpoint that options added
    "/v1/rerank": [{"results": []}],
}
LACKING: dict[str, list[Any]] = {
    "/v1/chat/completions": [{}, None, "four", [], 4, {"choices": []}, {"choices": None}, {"choices": "x"}, {"choices": [None]}],
    "/v1/completions": [{}, {"choices": []}],
    "/v1/embeddings": [{}, {"data": []}, {"data": None}, [0.5]],
    "/v1/moderations": [{}, {"results": []}],
    "/v1/images/generations": [{}, {"data": []}],
    "/v1/images/edits": [{}, {"data": []}],
    "/v1/responses": [
        {},
        {"status": "completed"},
        {"status": "failed", "output": [], "error": None},
        {"status": "cancelled", "output": []},
        {"status": "queued", "output": []},
        {"status": "in_progress", "output": []},
    ],
    "/v1/videos": [{}, {"id": ""}, {"id": "video_1", "status": "failed"}],
    "/v1/messages": [{}, {"type": "message"}, {"content": "four"}],
}


def test_every_endpoint_of_the_contract_is_in_the_tables() -> None:
    assert OPENAI_ENDPOINTS | {"/v1/messages"} == LACKING.keys()
    assert LACKING.keys() < FULL.keys()


@pytest.mark.parametrize(("endpoint", "body"), [(endpoint, body) for endpoint, bodies in FULL.items() for body in bodies])
def test_u1_an_answer_that_holds_what_its_endpoint_promises_is_a_success(endpoint: str, body: Any) -> None:
    assert success(judged(body, endpoint=endpoint)).http_status == 200


@pytest.mark.parametrize(("endpoint", "body"), [(endpoint, body) for endpoint, bodies in LACKING.items() for body in bodies])
def test_u1_an_answer_without_it_was_paid_and_is_not_sent_again(endpoint: str, body: Any) -> None:
    found = failure(judged(body, endpoint=endpoint))
    assert (found.kind, found.code, found.http_status) == (Kind.UNCONFIRMED, "unconfirmed", 200)
    assert "It begins with" in found.message
    assert endpoint in found.message


@pytest.mark.parametrize("status", ["failed", "cancelled", "queued", "in_progress"])
def test_u1_a_response_that_is_not_final_says_its_status(status: str) -> None:
    found = failure(judged({"status": status, "output": []}, endpoint="/v1/responses"))
    assert f"Its status is '{status}'." in found.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"null",
        b"[]",
        b'"x"',
        {"id": 7},
        {"error": None, "id": 7},
        {"errors": [], "success": True},
        {"detail": "a", "id": 7},
        {"message": "written"},
        {"status": 200, "message": "written"},
        {"code": 0, "msg": "success", "data": {"id": 7}},
        {"code": 400, "message": "of the account of this name", "id": 7},
    ],
)
def test_u1_a_written_record_may_be_answered_with_any_document(body: Any) -> None:
    assert success(written(body)).body


@pytest.mark.parametrize(
    "body",
    [{"error": "x"}, {"errors": [{"message": "x"}]}, {"success": False, "message": "x"}, {"detail": "x"}, {"type": "error"}],
)
def test_u1_an_error_inside_the_answer_to_a_write_is_a_failure_and_not_written_again(body: Any) -> None:
    assert failure(written(body)).kind is Kind.UNCONFIRMED


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ({"statusCode": 500, "message": "Internal server error"}, Kind.SERVER_ERROR, 500),
        ({"code": 401, "msg": "token expired", "data": None}, Kind.AUTHENTICATION, 401),
        ({"timestamp": "2026-01-01", "status": 422, "error": "", "message": "m", "path": "/x"}, Kind.INVALID_REQUEST, 422),
        ({"status": "error", "message": "m"}, Kind.UNCONFIRMED, 200),
    ],
)
def test_u1_a_document_that_is_but_an_error_is_no_record(body: Any, kind: Kind, status: int) -> None:
    for found in (failure(written(body)), failure(judged(body, endpoint="/v1/rerank"))):
        assert (found.kind, found.http_status) == (kind, status)
