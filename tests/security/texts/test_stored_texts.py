"""S1: what earlier releases stored of what upstreams said is emptied when the portal is upgraded."""

from importlib import import_module

import pytest
from django.apps import apps
from django.utils import timezone

from batches.models import Batch, Project, ProviderHealth
from providers.models import Provider, ProviderModel
from tests.cast import request_lines, submitted

forget_texts = import_module("batches.migrations.0013_limits_by_project").forget_texts


@pytest.mark.django_db
@pytest.mark.both
def test_texts_of_calls_that_are_stored_are_emptied(project: Project, simulator: Provider) -> None:
    said = "It could not complete: my secret prompt"
    now = timezone.now()
    batch = submitted(project, request_lines(1))
    Batch.objects.filter(pk=batch.pk).update(throttled_until=now, throttled_reason=said)
    ProviderModel.objects.create(provider=simulator, name="known", requests_per_minute=5)
    for model in ("", "known", "a name from a prompt"):
        about = {"concurrency": 1, "breaker_reason": said, "limited_reason": said, "hold_kind": "rate_limited", "updated_at": now}
        ProviderHealth.objects.create(provider=simulator, model=model, **about)
    forget_texts(apps, None)
    batch.refresh_from_db()
    assert (batch.throttled_reason, batch.throttled_until) == ("", now)
    left = ProviderHealth.objects.filter(provider=simulator)
    assert set(left.values_list("model", "breaker_reason", "limited_reason")) == {("", "", ""), ("known", "", "")}
    assert set(left.values_list("hold_kind", flat=True)) == {"rate_limited"}, "kinds stay"
