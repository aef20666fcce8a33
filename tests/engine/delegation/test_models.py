"""A batch of several models in one provider job: each request costs what its own model costs."""

from decimal import Decimal

import pytest
from django.utils import timezone

from batches.models import Dialect
from batches.services.policy.tune import tune_model
from tests.cast import TESTER, request_line, started
from tests.engine.delegation.conftest import MESSAGES, Stage

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("family", ["anthropic"], indirect=True),
    pytest.mark.alike,
]


def test_each_request_costs_what_its_own_model_costs(stage: Stage) -> None:
    for name, price in {"cheap": Decimal(10), "dear": Decimal(30)}.items():
        prices = {"input_price": Decimal(0), "output_price": price}
        tune_model(stage.provider, name, settings=prices, actor=TESTER, now=timezone.now())
    models = ["cheap", "dear", "cheap", "dear", "unpriced"]
    lines = [
        request_line(f"row-{number}", endpoint=MESSAGES, model=name, max_tokens=9, messages=[{"role": "user", "content": "hi"}])
        for number, name in enumerate(models)
    ]
    native = {"dialect": Dialect.NATIVE, "endpoint": MESSAGES, "execution": "delegated"}

    batch = stage.play(started(stage.project, b"".join(lines), **native))

    (job,) = stage.jobs(batch)
    answer = batch.counts.output_tokens // len(models)
    assert answer
    direct = 1000 * answer * (10 + 30 + 10 + 30)
    assert (job.model, job.direct_cost_nanos, job.cost_nanos) == ("", direct, direct // 2)
    assert (batch.counts.cost_nanos, batch.counts.unpriced) == (direct // 2, 1)
