"""What operators change about a batch that runs: each act is asked for on a page of its own, with a reason."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from batches.console.pages.acts.act_on_batch import ACTS
from batches.models import Batch, Event, Role
from batches.rules.actors import ENGINE
from batches.rules.states import BatchStatus
from batches.services.control.pause import pause
from providers.models import Provider
from tests.console.conftest import MakeBatch, SignIn


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, remark="Nightly", succeeded=1, pending=2)


def address(batch: Batch, word: str) -> str:
    return f"/console/batches/{batch}/{word}/"


def post(console: Client, batch: Batch, word: str, **said: object) -> HttpResponse:
    answer = console.post(address(batch, word), said)
    batch.refresh_from_db()
    return answer  # type: ignore[return-value]


def is_paused(batch: Batch) -> bool:
    return Batch.objects.filter(pk=batch.pk, paused_at__isnull=False).exists()


def last_event(batch: Batch) -> tuple[str, str, str, str]:
    event = Event.objects.filter(batch=batch).order_by("-pk")[0]
    return event.act, event.actor, event.source, event.note


@pytest.mark.parametrize("word", ["pause", "prioritise", "precede", "reroute", "guards"])
def test_each_act_is_asked_for_first_and_changes_nothing_by_being_looked_at(console: Client, batch: Batch, word: str) -> None:
    Provider.objects.create(name="other", adapter="simulator")
    answer = console.get(address(batch, word))
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "Nightly" in text
    assert ACTS[word].question in text
    assert 'name="reason"' in text
    before = batch.version
    batch.refresh_from_db()
    assert batch.version == before


def test_pausing_and_resuming_tell_who_and_why(console: Client, batch: Batch) -> None:
    assert post(console, batch, "pause", reason="The <key> is wrong.").headers["Location"] == f"/console/batches/{batch}/"
    assert is_paused(batch)
    assert last_event(batch) == ("paused", "user operator", "console", "The <key> is wrong.")
    text = console.get(f"/console/batches/{batch}/").content.decode()
    assert "The &lt;key&gt; is wrong." in text
    assert address(batch, "resume") in text
    assert address(batch, "pause") not in text
    post(console, batch, "resume")
    assert not is_paused(batch)
    assert last_event(batch)[0] == "resumed"


def test_a_priority_is_changed_within_its_bounds(console: Client, batch: Batch) -> None:
    post(console, batch, "prioritise", priority="7", reason="For the board.")
    assert batch.priority == 7
    assert last_event(batch)[3] == "From 0 to 7. For the board."
    for wrong in ("101", "x", "", "1e9", "9" * 50, "\0"):
        answer = post(console, batch, "prioritise", priority=wrong)
        assert answer.status_code == 422
        assert 'role="alert"' in answer.content.decode()
    assert batch.priority == 7


def test_only_an_administrator_of_the_portal_lets_a_batch_go_before_other_projects(
    console: Client, member: SignIn, batch: Batch
) -> None:
    """S5"""
    for role in Role:
        client = member(role)
        assert address(batch, "precede") not in client.get(f"/console/batches/{batch}/").content.decode()
        for answer in (client.get(address(batch, "precede")), client.post(address(batch, "precede"), {"precedence": 7})):
            assert answer.status_code == 403
    batch.refresh_from_db()
    assert batch.precedence == 0
    assert address(batch, "precede") in console.get(f"/console/batches/{batch}/").content.decode()
    post(console, batch, "precede", precedence="7", reason="For the board.")
    assert (batch.precedence, batch.priority) == (7, 0)
    assert last_event(batch)[3] == "Among all projects from 0 to 7. For the board."
    assert post(console, batch, "precede", precedence="101").status_code == 422


def test_the_rest_goes_to_another_provider_that_the_project_may_use(console: Client, batch: Batch) -> None:
    Provider.objects.create(name="other", adapter="simulator")
    Provider.objects.create(name="foreign", adapter="simulator", granted_to_all=False)
    Provider.objects.create(name="elsewhere", adapter="simulator", options={"endpoints": ["/v1/embeddings"]})
    text = console.get(address(batch, "reroute")).content.decode()
    assert 'value="other"' in text
    assert all(f'value="{name}"' not in text for name in ("foreign", "elsewhere", "simulator"))
    assert post(console, batch, "reroute", provider="foreign").status_code == 422
    post(console, batch, "reroute", provider="other")
    assert batch.provider.name == "other"
    assert last_event(batch)[3] == "From simulator to other."


def test_where_no_other_provider_serves_that_is_said(console: Client, batch: Batch) -> None:
    words = "No other provider that this project may use serves /v1/chat/completions."
    assert words in console.get(address(batch, "reroute")).content.decode()
    assert post(console, batch, "reroute", provider="simulator").status_code == 422


def test_guards_are_changed_and_emptied(console: Client, batch: Batch) -> None:
    Provider.objects.update(max_tokens=5000)
    assert "the provider&#x27;s own, 5000" in console.get(address(batch, "guards")).content.decode()
    post(console, batch, "guards", max_error_rate="0.2", max_cost="12.50", error_sample="", max_tokens="", reason="Careful.")
    assert (batch.max_error_rate, batch.max_cost, batch.max_tokens) == (0.2, Decimal("12.5"), None)
    assert last_event(batch)[0] == "reguarded"
    assert last_event(batch)[3].endswith(" Careful.")
    post(console, batch, "guards")
    assert batch.max_error_rate is None
    for wrong in ({"max_error_rate": "2"}, {"max_error_rate": "nan"}, {"max_cost": "1e400"}, {"max_tokens": "-1"}):
        assert post(console, batch, "guards", **wrong).status_code == 422


def test_one_over_its_budget_is_not_resumed_and_is_told_what_to_do(console: Client, batch: Batch) -> None:
    batch.slices.update(input_tokens=100)
    pause(batch, actor=ENGINE, now=timezone.now())
    post(console, batch, "guards", max_tokens="50")
    answer = console.post(address(batch, "resume"), follow=True)
    assert "It has used 100 tokens (allowed 50). Raise the guard of the batch, then resume it." in answer.content.decode()
    batch.refresh_from_db()
    assert is_paused(batch)


@pytest.mark.parametrize("word", ACTS)
def test_what_is_over_cannot_be_changed_and_that_is_said(console: Client, make_batch: MakeBatch, word: str) -> None:
    Provider.objects.create(name="other", adapter="simulator")
    ended = make_batch(succeeded=1)
    said = {"priority": 3, "precedence": 1, "provider": "other", "max_tokens": 7}
    for answer in (console.get(address(ended, word), follow=True), console.post(address(ended, word), said, follow=True)):
        text = answer.content.decode()
        assert answer.redirect_chain[-1][0] == f"/console/batches/{ended}/"
        assert "can no longer be changed" in text or "cannot be" in text or "Cannot cancel" in text
    assert console.get(f"/console/batches/{ended}/").context["offers"] == []
    assert Event.objects.filter(batch=ended).exclude(act="").count() == 0


def test_a_reason_that_is_too_long_is_refused_and_one_with_nul_too(console: Client, batch: Batch) -> None:
    for reason in ("x" * 501, "a\0b"):
        assert post(console, batch, "pause", reason=reason).status_code == 422
    assert not is_paused(batch)


def test_a_viewer_is_offered_nothing(member: SignIn, batch: Batch) -> None:
    viewer = member(Role.VIEWER)
    assert viewer.get(f"/console/batches/{batch}/").context["offers"] == []
    assert viewer.post(address(batch, "pause")).status_code == 403
    batch.refresh_from_db()
    assert not is_paused(batch)


def test_a_batch_that_is_not_checked_yet_can_be_paused(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.VALIDATING, created_at=timezone.now() - timedelta(minutes=1))
    post(console, batch, "pause")
    assert is_paused(batch)
