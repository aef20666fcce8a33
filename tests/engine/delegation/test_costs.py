"""What a delegated batch costs: right to the cent of the price table, and within the budgets of its guards."""

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from batches.models import Batch, ProviderJob
from batches.rules.execution import JobState
from batches.services.delegation.creating.budget import over_budget_with
from batches.services.delegation.creating.submitting import WAITS_FOR_BUDGET
from batches.services.policy.guards import set_guards
from batches.services.policy.tune import tune_model
from providers.base import Usage
from tests.batch_apis import Ending, Plan
from tests.cast import CHAT, TESTER, request_line, started
from tests.engine.delegation.conftest import Stage
from tests.upstream import Upstream

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("family", ["openai"], indirect=True),
    pytest.mark.alike,
]
USAGE = Usage(input=9, output=3, cached=4)  # of each answer of the stand-in


def priced(stage: Stage, **more: object) -> int:
    """Set prices at the provider. What one answer costs directly, in billionths."""
    prices = {"input_price": Decimal("10"), "cached_price": Decimal("1"), "output_price": Decimal("30")}
    tune_model(stage.provider, "m", settings={**prices, **more}, actor=TESTER, now=timezone.now())
    model = stage.provider.models.get(name="m")
    found = model.cost_nanos(USAGE)
    assert found == 1000 * (5 * 10 + 4 * 1 + 3 * 30)
    return found


@pytest.mark.parametrize(
    ("factor", "share"), [(None, Decimal("0.5")), (Decimal("0.25"), Decimal("0.25")), (Decimal(0), Decimal(0))]
)
def test_the_price_of_batches_is_the_models_or_else_the_familys(stage: Stage, factor: Decimal | None, share: Decimal) -> None:
    direct = priced(stage, batch_factor=factor)

    batch = stage.play(stage.batch(5))

    (job,) = stage.jobs(batch)
    cost = int(5 * direct * share)
    assert batch.counts.cost_nanos == job.cost_nanos == cost
    assert (job.direct_cost_nanos, job.saved_nanos, batch.counts.unpriced) == (5 * direct, 5 * direct - cost, 0)


def test_without_a_known_factor_the_cost_is_not_known(stage: Stage) -> None:
    priced(stage)
    stage.provider.jobs_family = "groq"
    stage.provider.save()

    batch = stage.play(stage.batch(5))

    assert (batch.counts.cost_nanos, batch.counts.unpriced) == (0, 5)


def test_sixty_percent_at_the_price_of_batches_and_the_rest_directly(stage: Stage, upstream: Upstream) -> None:
    direct = priced(stage)
    stage.apis.plan(default=Plan(ending=Ending.EXPIRED, answered=0.6))
    batch = stage.batch(50, execution="hybrid")
    stage.until(lambda: not ProviderJob.objects.exclude(state=JobState.ENDED).exists())
    assert batch.slices.aggregate(found=Sum("pending"))["found"] == 20

    stage.provider.base_url = upstream.base_url  # where single calls are answered
    stage.provider.save()
    stage.run_executor()
    batch = stage.end(batch)

    jobs = ProviderJob.objects.filter(batch=batch).aggregate(cost=Sum("cost_nanos"), direct=Sum("direct_cost_nanos"))
    assert (batch.succeeded, jobs) == (50, {"cost": 30 * direct // 2, "direct": 30 * direct})
    assert batch.counts.cost_nanos == 30 * direct // 2 + 20 * direct


def bounded(stage: Stage, rows: int, *, answer: int | None, execution: str = "delegated", **guards: object) -> Batch:
    """A batch whose requests allow an answer of so many tokens; without a number, any answer."""
    more: dict[str, Any] = {} if answer is None else {"max_tokens": answer}
    lines = [request_line(f"row-{number:02}", **more) for number in range(rows)]
    return started(stage.project, b"".join(lines), endpoint=CHAT, execution=execution, guards=guards)


def spent(batch: Batch) -> int:
    return Batch.objects.get(pk=batch.pk).counts.cost_nanos


def test_without_a_budget_nothing_is_estimated(stage: Stage) -> None:
    batch = stage.play(bounded(stage, 10, answer=3))
    assert [(job.estimated_nanos, job.estimated_tokens) for job in stage.jobs(batch)] == [(None, None)]


def test_a_budget_is_not_overshot_by_requests_that_bound_their_answers(stage: Stage) -> None:
    direct = priced(stage)
    budget = Decimal("0.0022")
    batch = bounded(stage, 30, answer=3, max_cost=budget)

    stage.work()
    first, _, third = stage.jobs(batch)
    assert len(stage.apis.jobs) == 2
    assert (first.estimated_nanos, third.state) == (10 * (12 * 10 + 3 * 30) * 500, JobState.PREPARING)
    assert third.note.startswith(f"{WAITS_FOR_BUDGET} The batch has cost 0 USD, its open jobs may cost 0.0021 USD")

    stage.until(lambda: spent(batch) == 20 * direct // 2)
    stage.work()
    third.refresh_from_db()
    assert "has cost 0.00144 USD, its open jobs may cost 0 USD, this one 0.00105 USD (allowed 0.0022 USD)" in third.note
    assert len(stage.apis.jobs) == 2

    set_guards(batch, guards={"max_cost": Decimal("0.0025")}, actor=TESTER, now=timezone.now())
    batch = stage.play(batch)
    assert (batch.succeeded, batch.counts.cost_nanos) == (30, 30 * direct // 2)


def test_a_budget_is_overshot_at_most_by_what_open_jobs_cost_beyond_their_estimate(stage: Stage) -> None:
    direct = priced(stage)
    budget = 1_200_000
    batch = bounded(stage, 50, answer=None, max_cost=Decimal("0.0012"))

    stage.until(lambda: Batch.objects.get(pk=batch.pk).paused_at)
    stage.work()

    sent = [job for job in stage.jobs(batch) if job.remote_id]
    assert len(sent) == len(stage.apis.jobs) == 3
    beyond = sum(job.cost_nanos - (job.estimated_nanos or 0) for job in sent)
    assert spent(batch) == 30 * direct // 2
    assert 0 < spent(batch) - budget <= beyond


def test_a_budget_of_tokens_holds_in_the_same_way(stage: Stage) -> None:
    batch = bounded(stage, 30, answer=3, max_tokens=320)

    stage.work()

    waiting = [job for job in stage.jobs(batch) if not job.remote_id]
    assert [job.estimated_tokens for job in stage.jobs(batch)] == [150, 150, 150]
    assert [job.note for job in waiting] == [
        f"{WAITS_FOR_BUDGET} The batch has used 0 tokens, its open jobs may use 300, this one 150 (allowed 320)."
    ]


def test_a_hybrid_batch_sends_directly_what_no_job_has_room_for(stage: Stage) -> None:
    priced(stage)
    batch = bounded(stage, 10, answer=3, execution="hybrid", max_cost=Decimal("0.001"))

    stage.until(lambda: Batch.objects.get(pk=batch.pk).taken_back_at)

    (job,) = stage.jobs(batch)
    assert (job.state, len(stage.apis.jobs)) == (JobState.ENDED, 0)
    assert job.note == "The batch has cost 0 USD, its open jobs may cost 0 USD, this one 0.00105 USD (allowed 0.001 USD)."


def test_what_was_paid_twice_counts_towards_the_budget(stage: Stage) -> None:
    direct = priced(stage)
    batch = bounded(stage, 20, answer=3, max_cost=Decimal("0.0022"))
    stage.until(lambda: spent(batch) == 20 * direct // 2)
    first, second = stage.jobs(batch)
    ProviderJob.objects.filter(pk=first.pk).update(wasted_nanos=1_000_000)

    assert "The batch has cost 0.00244 USD" in over_budget_with(second)
