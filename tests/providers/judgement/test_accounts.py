"""U5: what says that an account is empty or a credential wrong, by the families of upstreams that people use.

Each row names where the answer was seen: documentation, or a report of somebody who got it.
"""

import json
from typing import Any

import pytest

from providers.failures import Kind
from tests.providers.judgement.replies import completion, failure, judged

QUOTA, KEY = Kind.QUOTA, Kind.AUTHENTICATION


def error(message: str = "m", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def anthropic(kind: str, message: str = "m") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def google(code: int, status: str, message: str = "m", reason: str = "") -> list[Any]:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}]
    return [{"error": {"code": code, "message": message, "status": status, **({"details": details} if reason else {})}}]


TOO_LOW = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
)
FIREWORKS = "Account acme is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices."
XAI = "Your team 16f2151a-40f4 has either used all available credits or reached its monthly spending limit. To continue"

OF_ACCOUNT = [
    # OpenAI: platform.openai.com/docs/guides/error-codes; reports OpenHands/OpenHands#998, RamiAwar/dataline#175
    (429, error(type="insufficient_quota", code="insufficient_quota"), QUOTA),
    (429, error(type="insufficient_quota", code=429), QUOTA),
    (429, error(type="billing_not_active", code="billing_not_active"), QUOTA),
    (400, error("Billing hard limit has been reached", type="invalid_request_error", code="billing_hard_limit_reached"), QUOTA),
    (400, error("Billing hard limit has been reached"), QUOTA),
    (401, error("Incorrect API key provided: sk-a***b.", type="invalid_request_error", code="invalid_api_key"), KEY),
    (403, error("deactivated", code="account_deactivated"), KEY),
    # Azure OpenAI: reports SciSharp/BotSharp#386, vercel/chatbot#588
    (401, error("Access denied due to invalid subscription key or wrong API endpoint.", code="401"), KEY),
    (401, error("Access denied due to invalid subscription key or wrong API endpoint.", code="Unauthorized"), KEY),
    (429, error(type="insufficient_quota", code="insufficient_quota", param=None), QUOTA),
    (403, {"statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 10:00:00."}, QUOTA),
    # OpenRouter: openrouter.ai/docs/api/reference/errors-and-debugging; report RooCodeInc/Roo-Code#515
    (402, error("Insufficient credits", code=402), QUOTA),
    (401, error("No auth credentials found", code=401), KEY),
    (403, error("Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys", code=403), QUOTA),
    (200, error("Insufficient credits", code=402), QUOTA),
    # Groq: report songquanpeng/one-api#1764
    (400, error("Organization has been restricted.", type="invalid_request_error", code="organization_restricted"), KEY),
    (401, error("Invalid API Key", type="invalid_request_error", code="invalid_api_key"), KEY),
    # Together, see docs.together.ai/docs/error-codes
    (402, error(type="credit_limit"), QUOTA),
    (401, error(type="invalid_request_error", code="invalid_api_key"), KEY),
    # Mistral: reports agent0ai/agent-zero#539, coolcline/CoolCline#36
    (401, {"detail": "Unauthorized"}, KEY),
    (401, {"message": "Unauthorized", "request_id": "9"}, KEY),
    (401, {"message": "Inactive subscription or usage limit reached"}, QUOTA),
    # vLLM with --api-key
    (401, {"error": "Unauthorized"}, KEY),
    # LiteLLM's proxy: reports BerriAI/litellm#14144, #37000, OpenHands/benchmarks#229; budgets in OWASP/OpenCRE#1102
    (429, error("User: a, exceeded budget", type="budget_exceeded", code="429"), QUOTA),
    (400, error("Budget has been exceeded! Current cost: 76.16, Max budget: 10.0", type="budget_exceeded", code="400"), QUOTA),
    (
        400,
        error("litellm.BadRequestError: OpenAIException - Budget has been exceeded! Current cost: 1", type=None, code="400"),
        QUOTA,
    ),
    (400, error("litellm.BadRequestError: Litellm_proxyException - Budget has been exceeded! Current cost: 1"), QUOTA),
    (429, error("ExceededBudget: End User=x over budget. Spend=1, Budget=0", type="None", code="429"), QUOTA),
    (401, error("Authentication Error", type="auth_error", code="401"), KEY),
    (
        400,
        error("litellm.BadRequestError: AnthropicException - " + json.dumps(anthropic("invalid_request_error", TOO_LOW))),
        QUOTA,
    ),
    # Anthropic: docs.claude.com/en/api/errors; reports anthropics/claude-code#4684, #2127, #72457
    (402, anthropic("billing_error"), QUOTA),
    (400, anthropic("invalid_request_error", TOO_LOW), QUOTA),
    (
        400,
        anthropic(
            "invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01"
        ),
        QUOTA,
    ),
    (400, anthropic("invalid_request_error", "This organization has been disabled."), KEY),
    (401, anthropic("authentication_error", "invalid x-api-key"), KEY),
    (200, anthropic("authentication_error", "invalid x-api-key"), KEY),
    # Bedrock: reports ai4s-research/open-science#53, anthropics/claude-code#28032, BerriAI/litellm#37905
    (403, {"Message": "Authentication failed: Please make sure your API Key is valid."}, KEY),
    (403, {"message": "The security token included in the request is expired"}, KEY),
    (403, {"Message": "Bearer Token has expired"}, KEY),
    (403, {"__type": "UnrecognizedClientException", "message": "m"}, KEY),
    # Gemini and Vertex: reports cequence-io/openai-scala-client#109, Wei-Shaw/sub2api#1709, continuedev/continue#10902, #10513
    (400, google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"), KEY),
    (400, google(400, "INVALID_ARGUMENT", "API Key not found. Please pass a valid API key."), KEY),
    (400, google(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."), KEY),
    (400, error(json.dumps(google(400, "INVALID_ARGUMENT", reason="API_KEY_INVALID")[0]), code=400, status="Bad Request"), KEY),
    (403, google(403, "PERMISSION_DENIED", "Permission denied: Consumer 'api_key:x' has been suspended."), KEY),
    (403, google(403, "PERMISSION_DENIED", reason="CONSUMER_SUSPENDED"), KEY),
    (403, google(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key."), KEY),
    (403, google(403, "PERMISSION_DENIED", reason="BILLING_DISABLED"), QUOTA),
    (401, google(401, "UNAUTHENTICATED"), KEY),
    (429, google(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go to AI Studio"), QUOTA),
    (403, google(403, "PERMISSION_DENIED", "This API method requires billing to be enabled. Please enable billing on"), QUOTA),
    # New API and One API, Vercel's gateway
    (403, error("用户额度不足", type="new_api_error", code="insufficient_user_quota"), QUOTA),
    (403, error("token quota is not enough", type="one_api_error", code="pre_consume_token_quota_failed"), QUOTA),
    (403, error("A valid credit card is needed", type="customer_verification_required"), QUOTA),
    # MiniMax, whose errors come with 200: platform.minimaxi.com/document/error-codes
    (200, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, QUOTA),
    (200, {"base_resp": {"status_code": 1004, "status_msg": "login fail: Please carry the API secret key"}}, KEY),
    (200, {"choices": None, "base_resp": {"status_code": 2049, "status_msg": "invalid api key"}}, KEY),
    # Zhipu, whose messages are Chinese
    (429, error("您的账户已欠费，请充值后重试。", code="1113"), QUOTA),
    # the same words in other spellings, with a namespace, and inside the error of another gateway
    (429, error(code="InsufficientQuota"), QUOTA),
    (400, {"__type": "com.amazon.coral.service#UnrecognizedClientException", "message": "m"}, KEY),
    (403, {"message": "Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument must"}, QUOTA),
    (403, anthropic("permission_error", "OAuth token has been revoked. Please obtain a new token."), KEY),
    (429, {"error": error(type="insufficient_quota")}, QUOTA),
    (403, {"detail": {"code": "insufficient_credits", "message": "m"}}, QUOTA),
    # what Python's clients make of an answer, in a gateway's message
    (400, error(f"Error code: 400 - {anthropic('invalid_request_error', TOO_LOW)}"), QUOTA),
    (400, error(f"litellm.BadRequestError: AnthropicException - b'{json.dumps(anthropic('x', TOO_LOW))}'"), QUOTA),
    (
        429,
        error(
            "litellm.RateLimitError: RateLimitError: OpenAIException - Error code: 429 - "
            f"{error(type='insufficient_quota')}\nReceived Model Group=m"
        ),
        QUOTA,
    ),
    # DeepSeek, see api-docs.deepseek.com/quick_start/error_codes
    (402, error("Insufficient Balance", type="unknown_error", code="invalid_request_error"), QUOTA),
    (401, error("Authentication Fails", type="authentication_error", code="invalid_request_error"), KEY),
    # xAI, Fireworks, Moonshot: reports continuedev/continue#10373, warpdotdev/warp#14867, pollinations/pollinations#12136
    (429, {"code": "x", "error": XAI}, QUOTA),
    (403, {"code": "The caller does not have permission to execute the specified operation", "error": XAI}, QUOTA),
    (400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***b."}, KEY),
    (412, error(FIREWORKS, code="PRECONDITION_FAILED", type="error"), QUOTA),
    (429, error("Your account is suspended due to insufficient balance", type="exceeded_current_quota_error"), QUOTA),
    # whatever else says so by its status
    (402, {}, QUOTA),
    (402, b"<html>", QUOTA),
    (401, b"", KEY),
]

NOT_OF_ACCOUNT = [
    # rate limits
    (429, error("Rate limit reached for gpt-4", type="tokens", code="rate_limit_exceeded"), Kind.RATE_LIMITED),
    (429, anthropic("rate_limit_error", "This request would exceed your account's rate limit."), Kind.RATE_LIMITED),
    (429, google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."), Kind.RATE_LIMITED),
    (
        429,
        google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing"),
        Kind.RATE_LIMITED,
    ),
    (
        429,
        {"object": "error", "message": "Service tier capacity exceeded", "type": "service_tier_capacity_exceeded"},
        Kind.RATE_LIMITED,
    ),
    (429, error("No deployments available", type="None", code="429"), Kind.RATE_LIMITED),
    (429, {"error": {"code": "429", "message": "Requests have exceeded the token rate limit."}}, Kind.RATE_LIMITED),
    (429, b"", Kind.RATE_LIMITED),
    # one model, or one request
    (403, error("Project does not have access to model", type="invalid_request_error", code="model_not_found"), Kind.PERMISSION),
    (403, error("Your input was flagged", code=403, metadata={"reasons": ["violence"]}), Kind.PERMISSION),
    (403, {"message": "You don't have access to the model with the specified model ID."}, Kind.PERMISSION),
    (403, error("key not allowed to access model", type="key_model_access_denied", code="403"), Kind.PERMISSION),
    (403, anthropic("permission_error"), Kind.PERMISSION),
    (403, google(403, "PERMISSION_DENIED", "Permission 'x' denied on resource", "IAM_PERMISSION_DENIED"), Kind.PERMISSION),
    (404, anthropic("not_found_error", "model: claude-x"), Kind.NOT_FOUND),
    (400, google(400, "INVALID_ARGUMENT", "Invalid value at 'contents'"), Kind.INVALID_REQUEST),
    (400, anthropic("invalid_request_error", "messages: at least one message is required"), Kind.INVALID_REQUEST),
    (412, error("A precondition failed", code="PRECONDITION_FAILED"), Kind.INVALID_REQUEST),
    # requests that quote such words
    (
        400,
        error("Invalid value: 'insufficient_quota'. Supported values are: 'a', 'b'.", code="invalid_value"),
        Kind.INVALID_REQUEST,
    ),
    (400, error("The prompt 'Your credit balance is too low to access the Anthropic API' is blocked"), Kind.INVALID_REQUEST),
    (400, anthropic("invalid_request_error", f"messages.0.content: unexpected text '{TOO_LOW}'"), Kind.INVALID_REQUEST),
    (400, error('messages[0]: {"error":{"code":"insufficient_quota"}} is not allowed'), Kind.INVALID_REQUEST),
    (422, {"detail": [{"loc": ["body"], "msg": "API key not valid", "input": "budget_exceeded"}]}, Kind.INVALID_REQUEST),
    (400, error("m", param="invalid_api_key"), Kind.INVALID_REQUEST),
    (500, error("Budget has been exceeded!"), Kind.SERVER_ERROR),
    (400, error("m", code="1113"), Kind.INVALID_REQUEST),
    (400, error(f"Error code: 400 - {error('the prompt ' + TOO_LOW)}"), Kind.INVALID_REQUEST),
    (400, error("Error code: 400 - {" + "[" * 3000 + "}"), Kind.INVALID_REQUEST),
    (400, error("Error code: 400 - {open('/etc/passwd')}"), Kind.INVALID_REQUEST),
]


@pytest.mark.parametrize(("status", "body", "kind"), OF_ACCOUNT)
def test_u5_an_empty_account_or_a_wrong_key_is_recognised(status: int, body: Any, kind: Kind) -> None:
    found = failure(judged(body, status=status))
    assert found.kind is kind
    assert found.kind.is_of_account


@pytest.mark.parametrize(("status", "body", "kind"), NOT_OF_ACCOUNT)
def test_u5_a_rate_limit_or_a_failure_of_one_request_is_none_of_the_account(status: int, body: Any, kind: Kind) -> None:
    found = failure(judged(body, status=status))
    assert found.kind is kind
    assert not found.kind.is_of_account


def test_u5_aws_names_the_error_in_a_header() -> None:
    found = failure(judged({"message": "m"}, status=403, x_amzn_errortype="ExpiredTokenException:http://internal"))
    assert (found.kind, found.code) == (KEY, "ExpiredTokenException")


def test_u5_an_answer_that_quotes_such_an_error_is_a_success() -> None:
    quoted = completion(choices=[{"message": {"content": json.dumps(error(code="insufficient_quota"))}}])
    assert judged(quoted).http_status == 200
    assert not hasattr(judged(quoted), "kind")
