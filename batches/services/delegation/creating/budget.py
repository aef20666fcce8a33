"""budget: what a job may use and cost, and whether the guards of its batch have room for that.

A job that exists cannot be stopped at an amount. So a job is created only if the batch stays within its guards of cost and
tokens even if all its jobs at the provider use as much as is estimated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Sum

from batches.models import Batch, ProviderJob
from batches.rules.display.counted import amount_of
from batches.rules.lines.tokens import tokens_of
from batches.services.delegation.prices import Prices
from batches.services.policy.guards import guards_of, money
from providers.base import Usage
from providers.jobs.base import Row


class JobEstimate:
    """What the requests of a job may use and cost: their input, and the longest answers that they allow.

    A request that does not bound its answer counts with the mean answer of its batch so far. What has no price counts as 0.
    """

    def __init__(self, job: ProviderJob) -> None:
        self._job = job
        counts = job.batch.counts
        self._usual_answer = round(counts.output_tokens / counts.succeeded) if counts.succeeded else 0
        self._by_model: dict[str, tuple[int, int]] = {}

    def add(self, rows: Sequence[Row]) -> None:
        """Add requests of the job."""
        for row in rows:
            may = tokens_of(row.body)
            model = may.model or self._job.model
            asked, answered = self._by_model.get(model, (0, 0))
            answer = self._usual_answer if may.output is None else may.output
            self._by_model[model] = asked + may.input, answered + answer

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return sum(asked + answered for asked, answered in self._by_model.values())

    def nanos(self) -> int:
        """The cost, in billionths of the portal's currency."""
        prices = Prices(self._job)
        used = {model: Usage(input=asked, output=answered, cached=0) for model, (asked, answered) in self._by_model.items()}
        return sum(prices.of_model(model)(usage)[0] or 0 for model, usage in used.items())


def has_budget(batch: Batch) -> bool:
    """Whether a guard bounds the cost or the tokens of a batch."""
    guards = guards_of(batch)
    return guards.max_cost is not None or guards.max_tokens is not None


@dataclass(frozen=True, slots=True)
class _Use:
    """A use of cost or tokens: what was spent, what the open jobs may use besides, and what the new job may use."""

    spent: int
    open: int
    own: int

    def exceeds(self, limit: int) -> bool:
        return self.spent + self.open + self.own > limit


def over_budget_with(job: ProviderJob) -> str:
    """Why the budget of its batch has no room for a job that is to be created, as a sentence; empty if it has.

    Called under a lock of the batch, it counts every job that others are creating, too.
    """
    batch = Batch.objects.select_related("provider").get(pk=job.batch_id)
    if not has_budget(batch):
        return ""
    guards, counts = guards_of(batch), batch.counts
    there = list(ProviderJob.objects.at_provider().filter(batch=batch).exclude(pk=job.pk).defer("seen"))
    if guards.max_cost is not None:
        wasted: int = ProviderJob.objects.filter(batch=batch).aggregate(found=Sum("wasted_nanos", default=0))["found"]
        usual = counts.cost_nanos // max(counts.succeeded, 1)
        left = [_left(each, each.estimated_nanos, usual=usual) for each in (*there, job)]
        cost = _Use(counts.cost_nanos + wasted, sum(left[:-1]), left[-1])
        if cost.exceeds(int(guards.max_cost.scaleb(9))):
            spent, others, own = (money(amount_of(each)) for each in (cost.spent, cost.open, cost.own))
            allowed = money(guards.max_cost)
            return f"The batch has cost {spent}, its open jobs may cost {others}, this one {own} (allowed {allowed})."
    if guards.max_tokens is not None:
        usual = counts.tokens // max(counts.succeeded, 1)
        left = [_left(each, each.estimated_tokens, usual=usual) for each in (*there, job)]
        tokens = _Use(counts.tokens, sum(left[:-1]), left[-1])
        if tokens.exceeds(guards.max_tokens):
            used, allowed = f"{tokens.spent:,} tokens", f"{guards.max_tokens:,}"
            return (
                f"The batch has used {used}, its open jobs may use {tokens.open:,}, this one {tokens.own:,} (allowed {allowed})."
            )
    return ""


def _left(job: ProviderJob, estimate: int | None, *, usual: int) -> int:
    """The share of a job's estimate that is for rows which have not come home. `usual` is for a row of a job without one."""
    missing = max(job.rows - job.collected, 0)
    return missing * usual if estimate is None else estimate * missing // max(job.rows, 1)
