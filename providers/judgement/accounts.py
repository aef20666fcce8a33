"""Errors of the account: the provider's account is empty or blocked, or its credential is wrong, so every request fails.

Such an error puts the provider on hold. If an error of one bad request were mistaken for one of the account, the hold would
stop all other requests. So the comparison is strict: a word must be equal as a whole, and a message must begin as a known
upstream is known to begin it, and come with a status that this upstream uses. A message that only quotes such a word does
not match. The tests say where each word and message was seen.
"""

import ast
import json
import re
from typing import Any, NamedTuple

from providers.failures import Kind
from providers.judgement.errors import ReportedError, known_word, said_by

# Codes, types, statuses and reasons, by the kind of failure that they mean.
_TOLD = {
    **dict.fromkeys(
        (
            "insufficient_quota",  # OpenAI, Azure OpenAI
            "billing_hard_limit_reached",
            "billing_not_active",
            "access_terminated",
            "billing_error",  # Anthropic
            "budget_exceeded",  # LiteLLM's proxy
            "exceeded_current_quota_error",  # Moonshot
            "insufficient_credits",
            "insufficient_balance",
            "insufficient_funds",
            "payment_required",
            "credit_limit",  # Together
            "blocked_api_access",  # Groq: a spend limit
            "billing_disabled",  # Google
            "arrearage",  # Alibaba
            "accountoverdueerror",  # Volcengine
            "not_enough_balance",  # Novita
            "insufficient_user_quota",  # New API
            "pre_consume_token_quota_failed",
            "customer_verification_required",  # Vercel
            "1113",  # Zhipu
        ),
        Kind.QUOTA,
    ),
    **dict.fromkeys(
        (
            "invalid_api_key",  # OpenAI, Groq, Together
            "incorrect_api_key",
            "invalid_authentication_error",  # Moonshot
            "account_deactivated",
            "authentication_error",  # Anthropic, DeepSeek
            "expired_key",  # LiteLLM's proxy
            "token_not_found_in_db",
            "organization_restricted",  # Groq
            "api_key_invalid",  # Google
            "api_key_service_blocked",
            "api_key_expired",
            "consumer_suspended",
            "consumer_invalid",
            "service_disabled",
            "unauthenticated",
            "unrecognizedclientexception",  # AWS
            "expiredtokenexception",
            "invalidsignatureexception",
            "missingauthenticationtokenexception",
            "incompletesignatureexception",
        ),
        Kind.AUTHENTICATION,
    ),
}
_WORDS = {known_word(word): kind for word, kind in _TOLD.items()}
# Words that one bad request can cause as well, or that mean something else at other upstreams: only these statuses count.
_AMBIGUOUS = {"authenticationerror": {401, 403}, "unauthenticated": {401, 403}, "paymentrequired": {402}, "1113": {429}}


class _Message(NamedTuple):
    """A message of an upstream: its beginning, the statuses that it comes with, and the kind of failure that it means."""

    pattern: re.Pattern[str]
    statuses: frozenset[int]
    kind: Kind


def _message(pattern: str, *statuses: int, kind: Kind) -> _Message:
    return _Message(re.compile(pattern), frozenset(statuses), kind)


_MESSAGES = (
    # Anthropic
    _message(r"Your credit balance is too low to access the (?:Anthropic|Claude) API", 400, 403, kind=Kind.QUOTA),
    _message(r"Your credit balance is too low\.?$", 400, kind=Kind.QUOTA),
    _message(r"You have reached your specified (?:workspace )?API usage limits", 400, 403, 429, kind=Kind.QUOTA),
    _message(r"(?:This|Your) organization has been disabled", 400, 403, kind=Kind.AUTHENTICATION),
    _message(r"OAuth token has been revoked", 403, kind=Kind.AUTHENTICATION),
    # Gemini and Vertex
    _message(r"API [Kk]ey (?:not valid|not found|expired)\b", 400, 403, kind=Kind.AUTHENTICATION),
    _message(r"Your API key was reported as leaked", 400, 403, kind=Kind.AUTHENTICATION),
    _message(r"Permission denied: Consumer '[^']*' has been suspended", 403, kind=Kind.AUTHENTICATION),
    _message(r"Your prepayment credits are depleted", 402, 403, 429, kind=Kind.QUOTA),
    _message(r"This API method requires billing to be enabled", 403, kind=Kind.QUOTA),
    # OpenAI, where a gateway has lost the code
    _message(r"Billing hard limit has been reached", 400, 429, kind=Kind.QUOTA),
    _message(r"Your account is not active, please check your billing details", 429, kind=Kind.QUOTA),
    # OpenRouter
    _message(r"Key limit exceeded\b", 403, kind=Kind.QUOTA),
    # LiteLLM's proxy
    _message(r"Budget has been exceeded!", 400, 429, kind=Kind.QUOTA),
    _message(r"ExceededBudget: ", 400, 429, kind=Kind.QUOTA),
    # Azure: API Management
    _message(r"Out of call volume quota\b", 403, kind=Kind.QUOTA),
    # Bedrock
    _message(r"Authentication failed: Please make sure your API Key is valid", 403, kind=Kind.AUTHENTICATION),
    _message(r"Bearer Token has expired", 403, kind=Kind.AUTHENTICATION),
    _message(r"The security token included in the request is (?:invalid|expired)", 403, kind=Kind.AUTHENTICATION),
    _message(r"Invalid API Key format", 403, kind=Kind.AUTHENTICATION),
    _message(r"Model access is denied due to INVALID_PAYMENT_INSTRUMENT", 403, kind=Kind.QUOTA),
    # xAI
    _message(r"Your team \S+ has either used all available credits or reached", 403, 429, kind=Kind.QUOTA),
    _message(r"You have run out of credits\b", 403, kind=Kind.QUOTA),
    _message(r"Incorrect API key provided", 400, kind=Kind.AUTHENTICATION),
    # Fireworks
    _message(r"Account \S+ is suspended, possibly due to reaching the monthly spending limit", 412, kind=Kind.QUOTA),
    # Mistral
    _message(r"Inactive subscription or usage limit reached", 401, 403, kind=Kind.QUOTA),
    # Zhipu, SiliconFlow
    _message(r"Insufficient balance or no resource package", 429, kind=Kind.QUOTA),
    _message(r"Sorry, your account balance is insufficient", 402, 403, kind=Kind.QUOTA),
    # MiniMax, whose errors all come with 200
    _message(r"insufficient balance\b", 200, kind=Kind.QUOTA),
    _message(r"login fail: ", 200, kind=Kind.AUTHENTICATION),
    _message(r"invalid api key\b", 200, kind=Kind.AUTHENTICATION),
)
# The prefix that a gateway puts before the message of its own upstream. Gateways in Python use the names of exceptions.
_GATEWAY = re.compile(r"(?:(?:litellm\.)?\w+(?:Error|Exception): )*(?:\w+Exception - )?(?:Error code: \d+ - )?(?:b['\"](?=\{))?")
_MAX_QUOTED_CHARS = 4000


def account_kind(said: ReportedError, *, status: int) -> Kind | None:
    """QUOTA or AUTHENTICATION if the error is one of the account; None for any other error."""
    for word in sorted(said.words & _WORDS.keys()):
        if word not in _AMBIGUOUS or status in _AMBIGUOUS[word]:
            return _WORDS[word]
    text = said.message[_GATEWAY.match(said.message).end() :]  # type: ignore[union-attr]  # it matches anything
    if text.startswith("{"):
        return _kind_of_quoted(text, status=status)
    return next((each.kind for each in _MESSAGES if status in each.statuses and each.pattern.match(text)), None)


def _kind_of_quoted(text: str, *, status: int) -> Kind | None:
    """The result of `account_kind` for a message that begins with an error document: a gateway quotes its own upstream so."""
    try:
        document, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        document = _as_python_writes_it(text)
    said = said_by(document)
    return None if said.message.startswith("{") else account_kind(said, status=said.status or status)


def _as_python_writes_it(text: str) -> Any:
    """The dictionary that a text in Python's notation stands for; None if the text is not such a dictionary."""
    try:
        return ast.literal_eval(text[: text.rfind("}") + 1]) if len(text) <= _MAX_QUOTED_CHARS else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
