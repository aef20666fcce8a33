"""Answers that are no plain successes, from the wire to the result files."""

import json
from decimal import Decimal

import pytest
from pytest_django import Settings

from batches.models import BatchObject, Counts, Project
from batches.services.policy.guards import Guards, over_budget
from providers.models import ProviderModel
from tests.answers import Answer, refuse, say, succeed
from tests.cast import assert_counts_are_true, ended, error_lines, output_lines, provider_at, request_lines, run_executor, started
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db(transaction=True)

FULL = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}]}


def document_answer(document: object) -> Answer:
    return say(json.dumps(document).encode(), x_request_id="")


@pytest.fixture(autouse=True)
def patience(settings: Settings) -> None:
    settings.BACKOFF_BASE_SECONDS = 0.001


def test_u1_an_error_inside_a_2xx_is_tried_again_by_its_code_and_is_in_the_error_file(
    project: Project, upstream: Upstream
) -> None:
    provider_at(upstream.base_url)
    batch = started(project, request_lines(1))
    upstream.behave(lambda _: document_answer({"error": {"message": "Provider returned error", "code": 502}}))
    run_executor()
    assert len(upstream.requests) == 5
    assert len({request.idempotency_key for request in upstream.requests}) == 5, "each was answered: the next is a new call"
    ended(batch)
    (line,) = error_lines(batch)
    assert line["response"]["status_code"] == 502
    assert line["response"]["body"]["error"]["message"] == "Provider returned error"
    assert output_lines(batch) == []
    assert_counts_are_true(batch)


@pytest.mark.parametrize(
    "answer",
    [document_answer({}), document_answer(None), document_answer("four"), say(b'data: {"choices":[]}\n\ndata: [DONE]\n\n')],
)
def test_u4_what_was_paid_and_cannot_be_understood_is_sent_once(answer: Answer, project: Project, upstream: Upstream) -> None:
    provider_at(upstream.base_url)
    batch = started(project, request_lines(1))
    upstream.behave(lambda _: answer)
    run_executor()
    assert len(upstream.requests) == 1
    ended(batch)
    (line,) = error_lines(batch)
    assert line["response"]["status_code"] == 502
    assert isinstance(line["response"]["body"], dict)
    assert line["error"]["code"] == "unconfirmed"
    assert_counts_are_true(batch)


def test_u3_a_legal_but_odd_answer_is_one_call_and_reaches_the_output_file(project: Project, upstream: Upstream) -> None:
    provider_at(upstream.base_url)
    batch = started(project, request_lines(1))
    upstream.answer(say(b'\xef\xbb\xbf{"choices":[{"message":{"content":"cut \\ud83d"}}],"n":1.10}'))
    run_executor()
    assert len(upstream.requests) == 1
    ended(batch)
    assert batch.output_file is not None
    with batch.output_file.content.open("rb") as content:
        assert b'"body":{"choices":[{"message":{"content":"cut \\ud83d"}}],"n":1.10}' in content.read()


@pytest.mark.parametrize("status", [424, 498, 499])
def test_u6_what_passes_is_tried_again_within_the_limit(status: int, project: Project, upstream: Upstream) -> None:
    provider_at(upstream.base_url)
    started(project, request_lines(1))
    upstream.answer(refuse(status))
    run_executor()
    assert len(upstream.requests) == 2
    upstream.forget()
    batch = started(project, request_lines(1))
    upstream.behave(lambda _: refuse(status))
    run_executor()
    assert len(upstream.requests) == 5
    assert BatchObject.objects.get(batch=batch).status == "failed"


def test_u9_a_total_counts_for_the_budget_and_costs_nothing_known(project: Project, upstream: Upstream) -> None:
    provider = provider_at(upstream.base_url)
    ProviderModel.objects.create(provider=provider, name="m", input_price=Decimal(1), output_price=Decimal(1))
    batch = started(project, request_lines(3))
    upstream.answer(document_answer({**FULL, "usage": {"total_tokens": 12}}), document_answer({**FULL, "usage": {}}), succeed())
    run_executor()
    ended(batch)
    counts = batch.counts
    assert (counts.input_tokens, counts.output_tokens, counts.other_tokens, counts.tokens) == (9, 3, 12, 24)
    assert counts.unpriced == 3 - BatchObject.objects.exclude(cost_nanos=None).count()
    unknown = BatchObject.objects.filter(batch=batch, input_tokens=None, output_tokens=None, cached_tokens=None)
    assert unknown.filter(reasoning_tokens=None, cost_nanos=None).count() == 2
    assert_counts_are_true(batch)


def test_u9_the_token_guard_sees_a_total() -> None:
    guards = Guards(max_tokens=20)
    assert over_budget(Counts(input_tokens=9, output_tokens=3, other_tokens=8), guards) is None
    assert over_budget(Counts(input_tokens=9, output_tokens=3, other_tokens=9), guards) == "It has used 21 tokens (allowed 20)."


def test_u14_response_request_id_is_never_empty(project: Project, upstream: Upstream) -> None:
    provider_at(upstream.base_url)
    batch = started(project, request_lines(2))
    upstream.behave(
        lambda request: document_answer(FULL) if request.json["n"] == "row-1" else say(b"{}", status=400, x_request_id="")
    )
    run_executor()
    ended(batch)
    for line in output_lines(batch) + error_lines(batch):
        assert line["response"]["request_id"].startswith(batch.id.hex)
