"""The tokens that an answer reports. A number that can be read is kept; a number that cannot be read is unknown, not zero."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from providers.base import Usage

MAX_TOKENS = 2**31 - 1  # the largest number that is recorded for one request
UNREADABLE = -1  # stands for a reported value that is no number of tokens
_MAX_DIGITS = 10
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)] | None


class Details(msgspec.Struct, gc=False):
    """The parts of the input tokens, or of the output tokens."""

    cached_tokens: _Tokens = None
    reasoning_tokens: _Tokens = None


class Reported(msgspec.Struct, gc=False):
    """The fields of a usage object: both spellings of OpenAI's endpoints, and Anthropic's.

    Anthropic's `input_tokens` do not include the tokens of its cache.
    """

    prompt_tokens: _Tokens = None
    completion_tokens: _Tokens = None
    total_tokens: _Tokens = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    input_tokens: _Tokens = None
    output_tokens: _Tokens = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None
    cache_creation_input_tokens: _Tokens = None
    cache_read_input_tokens: _Tokens = None


def usage_of(reported: Reported, *, answers_in_tokens: bool) -> Usage | None:
    """The tokens of a request; None if no number is known.

    If the input or the output is not reported, it is the rest of the total. If it is reported and cannot be read, it stays
    unknown. At an endpoint whose answers are no tokens, such as embeddings, an output that is not reported is 0.
    """
    spent, parts = _spent(reported)
    made = reported.output_tokens if reported.completion_tokens is None else reported.completion_tokens
    total = reported.total_tokens
    if made is None and total is not None:
        made = _rest(total, spent)
    elif made is None and spent is not None and not answers_in_tokens:
        made = 0
    elif spent is None:
        spent = _rest(total, made)
    if spent is not None and made is not None and spent >= 0 and made >= 0:
        cached, reasoning = _details_of(reported)
        return Usage(spent, made, _part(cached, spent), _part(reasoning, made))
    spent, made, total = _known(spent), _known(made), _known(total)
    if spent is None and made is None and total is None and not parts:
        return None
    if total is None and parts:
        total = parts + (made or 0)
    cached, reasoning = _details_of(reported)
    return Usage(spent, made, _part(cached, spent), _part(reasoning, made), total)


def _spent(reported: Reported) -> tuple[int | None, int]:
    """The input tokens, and a second number: the sum of the readable parts if some part cannot be read, else 0."""
    if reported.prompt_tokens is not None:
        return reported.prompt_tokens, 0
    if reported.input_tokens is None:
        return None, 0
    parts = (reported.input_tokens, reported.cache_creation_input_tokens or 0, reported.cache_read_input_tokens or 0)
    if UNREADABLE in parts:
        return UNREADABLE, sum(part for part in parts if part != UNREADABLE)
    return min(sum(parts), MAX_TOKENS), 0


def _details_of(reported: Reported) -> tuple[int | None, int | None]:
    """Cached and reasoning tokens."""
    spent = reported.prompt_tokens_details or reported.input_tokens_details
    made = reported.completion_tokens_details or reported.output_tokens_details
    cached = spent.cached_tokens if spent else None
    return reported.cache_read_input_tokens if cached is None else cached, made.reasoning_tokens if made else None


def _rest(total: int | None, part: int | None) -> int | None:
    """The total without the part; None if either is unknown."""
    return None if _known(total) is None or _known(part) is None else max((total or 0) - (part or 0), 0)


def _known(tokens: int | None) -> int | None:
    return None if tokens == UNREADABLE else tokens


def _part(tokens: int | None, whole: int | None) -> int | None:
    """A part of the tokens `whole`. A part that is not reported is 0, or unknown if the whole is unknown."""
    if tokens == UNREADABLE or (tokens is None and whole is None):
        return None
    return tokens or 0


def read_usage(usage: Any) -> Reported | None:
    """Read a usage object of a document number by number; None if the value is no object."""
    if not isinstance(usage, Mapping):
        return None
    reported = Reported()
    for name in Reported.__struct_fields__:
        read = _details if name.endswith("_details") else _tokens
        setattr(reported, name, read(usage.get(name)))
    return reported


def _details(details: Any) -> Details | None:
    if details is None:
        return None
    if not isinstance(details, Mapping):
        return Details(UNREADABLE, UNREADABLE)
    return Details(_tokens(details.get("cached_tokens")), _tokens(details.get("reasoning_tokens")))


def _tokens(value: Any) -> int | None:
    """A whole number, also written as `7.0` or `"7"`; None if no value is reported."""
    match value:
        case None:
            return None
        case bool():
            return UNREADABLE
        case str() if value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS:
            number = int(value)
        case int():
            number = value
        case float() if value.is_integer():
            number = int(value)
        case _:
            return UNREADABLE
    return number if 0 <= number <= MAX_TOKENS else UNREADABLE
