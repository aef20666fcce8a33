"""E15: where two parts of the portal answer the same question, both answer alike."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from batches.api.fields import creation
from batches.api.openapi import documented
from batches.console.drawing.pace import pace
from batches.engine.executor.permits import estimate
from batches.filters.conditions import is_late
from batches.models import Batch, BatchMinute, Project
from batches.rules.lines.line_rules import LineRules
from batches.services.core.route import granted_providers
from batches.services.intake.check_input import Findings, check_file
from batches.services.intake.input_rules import rules_for
from batches.services.people.accounts import require_granted
from batches.services.policy.estimate import Estimate
from batches.services.tally.late_batches import assess
from providers.models import Provider
from tests.cast import CHAT, request_line, request_lines, started

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]


@pytest.mark.parametrize("minutes_left", [1, 30, 90, 119, 121, 140, 151, 200])
@pytest.mark.parametrize("settled", [0, 100])
def test_e15_the_page_calls_late_what_the_list_does(project: Project, minutes_left: int, settled: int) -> None:
    batch, now = started(project, request_lines(200)), timezone.now().replace(second=0, microsecond=0)
    begun = now - timedelta(minutes=60)
    moments = {"created_at": begun, "in_progress_at": begun, "expires_at": now + timedelta(minutes=minutes_left)}
    Batch.objects.filter(pk=batch.pk).update(**moments)
    if settled:
        BatchMinute.objects.create(batch=batch, minute=now - timedelta(minutes=2), succeeded=8)
    assess(now=now)
    batch = Batch.objects.get(pk=batch.pk)
    shown = pace(batch, list(BatchMinute.objects.all()), now=now)
    assert shown is not None
    assert shown.late == Batch.objects.filter(is_late(now=now)).exists()


@pytest.mark.parametrize(
    "bounds", [{}, {"max_tokens": 7}, {"max_completion_tokens": 3, "max_tokens": 9}, {"max_output_tokens": 0}]
)
def test_e15_a_request_is_thought_to_use_the_same_before_and_while_it_is_sent(bounds: dict[str, Any]) -> None:
    line = request_line("a", **bounds)
    before = Estimate(CHAT)
    before.add(line)
    body = line.partition(b'"body": ')[2].rstrip()[:-1]
    (used,) = before.tokens.values()
    assert (used.input or 0) + (used.output or 0) == estimate(body)


@pytest.mark.parametrize("content", [request_lines(3), b"", b"\n", b"{}\n" + request_lines(2), request_lines(9), b"\xff\n"])
def test_e15_a_rehearsal_finds_what_validation_finds(project: Project, content: bytes, settings: object) -> None:
    settings.MAX_BATCH_LINES = 5  # type: ignore[attr-defined]
    batch = started(project, content or b"\n")
    found = Findings()
    assert batch.input_file is not None
    check_file(batch.input_file, rules=rules_for(batch), findings=found)
    stored = sorted((error.code, error.line or 0, error.message) for error in batch.errors.all())
    assert sorted((problem.code, problem.line or 0, problem.message) for problem in found.problems) == stored


def test_e15_a_provider_is_granted_to_all_who_ask_or_to_none(project: Project) -> None:
    mine = Provider.objects.create(name="mine", adapter="simulator", granted_to_all=False)
    assert mine not in granted_providers(project)
    mine.grants.create(project=project)
    assert mine in granted_providers(project)
    require_granted(project, provider=mine)


def test_e15_a_create_call_is_documented_as_it_is_read() -> None:
    read, documented_fields = creation.CreateBatch().fields, documented.CreateBatch().fields
    assert documented_fields.keys() - read.keys() == {"requests"}
    for name, field in read.items():
        assert (documented_fields[name].required, documented_fields[name].allow_null) == (field.required, field.allow_null), name
    assert LineRules(CHAT).model == ""
