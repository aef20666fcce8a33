"""U1: errors inside a 2xx, in every common shape; their codes decide about trying again. U6: transient statuses."""

from typing import Any

import pytest

from providers.failures import Kind, kind_of_status
from tests.providers.judgement.replies import CHAT, completion, failure, judged

MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"


@pytest.mark.parametrize(
    ("body", "endpoint", "kind", "code", "status"),
    [
        # OpenRouter: openrouter.ai/docs/api/reference/errors-and-debugging
        ({"error": {"message": "m", "code": 502}}, CHAT, Kind.SERVER_ERROR, "502", 502),
        ({"error": {"message": "m", "code": 429}, "user_id": "u"}, CHAT, Kind.RATE_LIMITED, "429", 429),
        ({"error": {"message": "m", "code": 402}}, CHAT, Kind.QUOTA, "402", 402),
        (completion(error={"message": "m", "code": 503}), CHAT, Kind.OVERLOADED, "503", 503),
        ({"choices": [{"error": {"message": "m", "code": 502}}]}, CHAT, Kind.SERVER_ERROR, "502", 502),
        (
            {"choices": [{"finish_reason": "error", "error": {"message": "m", "code": 400}}]},
            CHAT,
            Kind.INVALID_REQUEST,
            "400",
            400,
        ),
        # digits count as the number that they spell
        ({"error": {"message": "m", "code": "504"}}, CHAT, Kind.SERVER_ERROR, "504", 504),
        ({"error": {"message": "m", "type": "None", "code": "400"}}, CHAT, Kind.INVALID_REQUEST, "400", 400),
        ({"error": {"message": "m", "status": 503, "type": "t"}}, CHAT, Kind.OVERLOADED, "t", 503),
        ({"error": {"message": "m"}, "status_code": 429}, CHAT, Kind.RATE_LIMITED, "rate_limited", 429),
        # vLLM
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, CHAT, Kind.INVALID_REQUEST, "400", 400),
        # Gemini
        ([{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}], CHAT, Kind.RATE_LIMITED, "429", 429),
        # FastAPI, JSON:API and home-made gateways
        ({"detail": "m"}, CHAT, Kind.UNCONFIRMED, "unconfirmed", 200),
        ({"errors": [{"message": "m", "code": 500}]}, CHAT, Kind.SERVER_ERROR, "500", 500),
        ({"success": False, "message": "m", "code": 401}, CHAT, Kind.AUTHENTICATION, "401", 401),
        ({"error": "m"}, CHAT, Kind.UNCONFIRMED, "unconfirmed", 200),
        ({"error": "m", "code": 503}, CHAT, Kind.OVERLOADED, "503", 503),
        ({"code": 503, "message": "m"}, CHAT, Kind.OVERLOADED, "503", 503),
        ({"code": 50002, "msg": "m"}, CHAT, Kind.UNCONFIRMED, "50002", 200),
        ({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "m"}}, CHAT, Kind.UNCONFIRMED, "1008", 200),
        ({"error_code": 18, "error_msg": "m"}, CHAT, Kind.UNCONFIRMED, "18", 200),
        # one gateway inside another
        ({"error": {"error": {"message": "m", "code": 503}}}, CHAT, Kind.OVERLOADED, "503", 503),
        ({"error": {"message": "m", "code": 503, "error": {}}}, CHAT, Kind.OVERLOADED, "503", 503),
        ({"detail": {"error": {"message": "m", "type": "OverloadedError"}}}, CHAT, Kind.OVERLOADED, "OverloadedError", 200),
        # a word decides where no number does
        ({"error": {"message": "m", "type": "overloaded_error"}}, CHAT, Kind.OVERLOADED, "overloaded_error", 200),
        ({"error": {"message": "m", "type": "mystery"}}, CHAT, Kind.UNCONFIRMED, "mystery", 200),
        ({"type": "error", "error": {"type": "api_error", "message": "m"}}, MESSAGES, Kind.SERVER_ERROR, "api_error", 200),
        (
            {"type": "error", "error": {"type": "rate_limit_error", "message": "m"}},
            MESSAGES,
            Kind.RATE_LIMITED,
            "rate_limit_error",
            200,
        ),
        (
            {"type": "error", "error": {"type": "invalid_request_error", "message": "m"}},
            MESSAGES,
            Kind.INVALID_REQUEST,
            "invalid_request_error",
            200,
        ),
        (
            {"status": "failed", "output": [], "error": {"code": "server_error", "message": "m"}},
            RESPONSES,
            Kind.SERVER_ERROR,
            "server_error",
            200,
        ),
        (
            {"status": "failed", "output": [], "error": {"code": "rate_limit_exceeded", "message": "m"}},
            RESPONSES,
            Kind.RATE_LIMITED,
            "rate_limit_exceeded",
            200,
        ),
        (
            {"status": "failed", "output": [], "error": {"code": "invalid_prompt", "message": "m"}},
            RESPONSES,
            Kind.INVALID_REQUEST,
            "invalid_prompt",
            200,
        ),
    ],
)
def test_u1_an_error_inside_a_2xx_is_a_failure_with_its_code_and_message(
    body: Any, endpoint: str, kind: Kind, code: str, status: int
) -> None:
    found = failure(judged(body, endpoint=endpoint))
    assert (found.kind, found.message, found.code, found.http_status) == (kind, "m", code, status)
    assert found.is_final, "the call is over: a repeat under the same key would be answered the same"


def test_u1_finish_reason_error_without_an_error_is_told_in_the_portals_words() -> None:
    found = failure(judged({"choices": [{"finish_reason": "error", "message": {"content": "fo"}}]}))
    assert found.kind is Kind.UNCONFIRMED
    assert found.message == "The upstream ended its answer with an error."


def test_u1_a_code_beside_an_error_that_is_a_mere_text_decides() -> None:
    found = failure(judged({"error": {"error": "m", "code": 503}}))
    assert (found.kind, found.code) == (Kind.OVERLOADED, "503")


def test_u1_a_wait_beside_an_error_inside_a_2xx_is_kept() -> None:
    found = failure(judged({"error": {"message": "m", "code": 429}}, Retry_After="7"))
    assert (found.kind, found.retry_after) == (Kind.RATE_LIMITED, 7.0)


@pytest.mark.parametrize("status", [408, 499, 502, 504, 520, 524, 598])
def test_u6_a_gateway_that_gave_up_waiting_leaves_open_what_came_of_the_call(status: int) -> None:
    """A repeat keeps its key, so that an upstream that heeds it does not do, and charge, the same twice."""
    assert not failure(judged(b"<html>", status=status)).is_final


@pytest.mark.parametrize("status", [400, 429, 500, 503, 521, 529])
def test_u6_any_other_answer_is_all_that_will_come_of_the_call(status: int) -> None:
    assert failure(judged(b"<html>", status=status)).is_final


@pytest.mark.parametrize("status", [408, 409, 420, 424, 425, 429, 498, 499, 500, 502, 503, 504, 507, 520, 522, 524, 529, 599])
def test_u6_what_passes_is_tried_again(status: int) -> None:
    kind = kind_of_status(status)
    assert kind is not None
    assert kind.retryable


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 431, 451, 501, 505])
def test_u6_what_does_not_pass_is_not_tried_again(status: int) -> None:
    kind = kind_of_status(status)
    assert kind is not None
    assert not kind.retryable


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, {"message": "m"}, {"x_amzn_errortype": "ThrottlingException:http://internal.amazon.com/"}),
        (400, {"__type": "com.amazon.coral.service#ThrottlingException", "message": "m"}, {}),
        (403, {"error": {"message": "m", "code": "rateLimitExceeded"}}, {}),
        (403, {"error": {"message": "m", "code": 403, "details": [{"reason": "userRateLimitExceeded"}]}}, {}),
        (400, {"error": {"message": "m", "type": "rate_limit_error"}}, {}),
    ],
)
def test_u6_throttling_under_a_status_of_faulty_requests_is_tried_again(status: int, body: Any, headers: dict[str, str]) -> None:
    assert failure(judged(body, status=status, **headers)).kind is Kind.RATE_LIMITED


def test_u6_a_request_that_is_larger_than_any_limit_is_not_tried_for_ever() -> None:
    """As Groq answers one that needs more tokens than a minute allows."""
    too_large = {"error": {"message": "Request too large", "type": "tokens", "code": "rate_limit_exceeded"}}
    assert failure(judged(too_large, status=413)).kind is Kind.INVALID_REQUEST


@pytest.mark.parametrize(
    "target", ["https://x.example/v1", "https://u:word@x.example/v1?key=word#word", "https://word@x.example/v1"]
)
def test_a_redirect_is_told_without_what_may_be_secret(target: str) -> None:
    message = failure(judged(b"", status=307, Location=target)).message
    assert "to https://x.example/v1;" in message
    assert "word" not in message


@pytest.mark.parametrize("status", [424, 498, 499])
def test_u6_they_count_as_attempts(status: int) -> None:
    assert kind_of_status(status) is Kind.SERVER_ERROR, "an overload would be tried until the deadline"
