"""U8: every number of tokens that can be read is kept. U9: what is not told is unknown, and a total counts."""

from decimal import Decimal
from typing import Any

import pytest

from providers.base import Usage
from providers.models import ProviderModel
from tests.providers.judgement.replies import CHAT, completion, judged, success

CHAT_DETAILS = "completion_tokens_details"


def usage(reported: Any, *, endpoint: str = CHAT) -> Usage | None:
    body = {"data": [{"embedding": [0.5]}], "usage": reported} if endpoint == "/v1/embeddings" else completion(usage=reported)
    if endpoint == "/v1/messages":
        body = {"type": "message", "content": [], "usage": reported}
    return success(judged(body, endpoint=endpoint)).usage


FULL = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({**FULL, CHAT_DETAILS: {"reasoning_tokens": 2.5}}, Usage(9, 3, 0, None)),
        ({**FULL, CHAT_DETAILS: {"reasoning_tokens": 2.0}}, Usage(9, 3, 0, 2)),
        ({**FULL, CHAT_DETAILS: {"reasoning_tokens": "2"}}, Usage(9, 3, 0, 2)),
        ({**FULL, CHAT_DETAILS: {"reasoning_tokens": -1}}, Usage(9, 3, 0, None)),
        ({**FULL, CHAT_DETAILS: [1, 2]}, Usage(9, 3, 0, None)),
        ({**FULL, CHAT_DETAILS: "none"}, Usage(9, 3, 0, None)),
        ({**FULL, CHAT_DETAILS: None}, Usage(9, 3)),
        ({**FULL, CHAT_DETAILS: {"reasoning_tokens": None}}, Usage(9, 3)),
        ({**FULL, "prompt_tokens_details": {"cached_tokens": {}}}, Usage(9, 3, None, 0)),
        ({"prompt_tokens": 7.0, "completion_tokens": "5"}, Usage(7, 5)),
        ({"prompt_tokens": "9", "completion_tokens": 3, "extra": [1e999]}, Usage(9, 3)),
        ({"prompt_tokens": 9, "completion_tokens": 2.5, "total_tokens": 12}, Usage(9, None, 0, None, 12)),
        ({"prompt_tokens": 9, "completion_tokens": -1}, Usage(9, None, 0, None)),
        ({"prompt_tokens": True, "completion_tokens": 3}, Usage(None, 3, None, 0)),
        ({"prompt_tokens": "nine", "completion_tokens": 3, "total_tokens": 12}, Usage(None, 3, None, 0, 12)),
        ({"prompt_tokens": 2**31, "completion_tokens": 3}, Usage(None, 3, None, 0)),
        ({"prompt_tokens": "٩", "completion_tokens": 3}, Usage(None, 3, None, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": "many"}, Usage(9, 3)),
        ([9, 3], None),
        ("12", None),
        (True, None),
    ],
)
def test_u8_every_number_that_can_be_read_is_kept_and_others_are_unknown(reported: Any, expected: Usage | None) -> None:
    assert usage(reported) == expected


def test_u8_an_odd_number_of_anthropics_leaves_the_sum_unknown_but_counts_what_is_read() -> None:
    found = usage({"input_tokens": 9, "cache_read_input_tokens": "x", "output_tokens": 3}, endpoint="/v1/messages")
    assert found == Usage(None, 3, None, 0, 12)
    assert found is not None
    assert (found.tokens, found.other) == (12, 9)


@pytest.mark.parametrize(
    ("reported", "endpoint", "expected", "tokens"),
    [
        ({"total_tokens": 12}, CHAT, Usage(None, None, None, None, 12), 12),
        ({"total_tokens": 0}, CHAT, Usage(None, None, None, None, 0), 0),
        ({"total_tokens": "12"}, CHAT, Usage(None, None, None, None, 12), 12),
        ({"total_tokens": 12}, "/v1/embeddings", Usage(None, None, None, None, 12), 12),
        ({"prompt_tokens": 9}, CHAT, Usage(9, None, 0, None), 9),
        ({"completion_tokens": 3}, CHAT, Usage(None, 3, None, 0), 3),
        ({"prompt_tokens": 9, "total_tokens": 12}, CHAT, Usage(9, 3), 12),
        ({"completion_tokens": 3, "total_tokens": 12}, CHAT, Usage(9, 3), 12),
        ({"prompt_tokens": 9, "total_tokens": 9}, "/v1/embeddings", Usage(9, 0), 9),
        ({"prompt_tokens": 9}, "/v1/embeddings", Usage(9, 0), 9),
    ],
)
def test_u9_what_is_not_told_is_unknown_and_a_total_counts(reported: Any, endpoint: str, expected: Usage, tokens: int) -> None:
    found = usage(reported, endpoint=endpoint)
    assert found == expected
    assert found is not None
    assert found.tokens == tokens


@pytest.mark.parametrize("reported", [{}, None, {"total_tokens": "many"}, {"service_tier": "default"}])
@pytest.mark.parametrize("endpoint", [CHAT, "/v1/embeddings", "/v1/messages"])
def test_u9_usage_that_tells_nothing_is_none(reported: Any, endpoint: str) -> None:
    assert usage(reported, endpoint=endpoint) is None


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (Usage(1000, 100, 500), 800_000 + 50_000 + 200_000 - 300_000),
        (Usage(1000, 100), 1_200_000),
        (Usage(None, 100, None), None),
        (Usage(1000, None), None),
        (Usage(1000, 100, None), None),
        (Usage(1000, 100, 0, None), 1_200_000),
        (Usage(None, None, None, None, 1100), None),
    ],
)
def test_u9_a_cost_is_unknown_when_a_number_that_it_needs_is(used: Usage, expected: int | None) -> None:
    model = ProviderModel(name="m", input_price=Decimal(1), cached_price=Decimal("0.1"), output_price=Decimal(2))
    assert model.cost_nanos(used) == expected


def test_u9_cached_tokens_need_not_be_known_where_they_cost_the_same() -> None:
    model = ProviderModel(name="m", input_price=Decimal(1), output_price=Decimal(2))
    assert model.cost_nanos(Usage(1000, 100, None)) == 1_200_000
