"""A provider that is held for its account: shown wherever somebody looks, and mended by who administers the portal (U5)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import AuditEntry, Project, ProviderHealth, Role
from batches.rules.states import BatchStatus
from providers.failures import Kind
from providers.models import Provider
from tests.console.conftest import MakeBatch, SignIn

OVERVIEW = "/console/overview/"
PAGE = "/console/providers/simulator/"
SENTENCE = Kind.QUOTA.sentence


@pytest.fixture
def hold(simulator: Provider) -> ProviderHealth:
    """The simulator is held since five minutes."""
    now = timezone.now()
    return ProviderHealth.objects.create(
        provider=simulator,
        concurrency=8,
        hold_kind=Kind.QUOTA.value,
        hold_strikes=1234,
        held_since=now - timedelta(minutes=5),
        probe_at=now + timedelta(minutes=2),
        updated_at=now,
    )


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_overview_names_the_provider_why_since_when_and_who_waits(
    console: Client, make_batch: MakeBatch, hold: ProviderHealth
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=3, succeeded=1)
    make_batch(BatchStatus.IN_PROGRESS, pending=4)
    make_batch(succeeded=5)
    text = text_of(console, OVERVIEW)
    assert "simulator</a>: account problem" in text
    assert SENTENCE in text
    assert "1,234 calls" in text
    assert "2 batches</a>, 7 requests" in text
    assert "condition=account_problem&amp;provider=simulator" in text
    assert "Nothing is stuck, late, failing or held back." not in text
    assert "Test now" in text
    assert "Resume sending" in text


def test_nobody_is_troubled_by_a_provider_that_none_of_their_batches_waits_for(
    console: Client, make_batch: MakeBatch, hold: ProviderHealth
) -> None:
    make_batch(succeeded=1)
    assert "account problem" not in text_of(console, OVERVIEW)


def test_a_member_sees_how_many_of_their_own_wait_and_no_button(
    member: SignIn, make_batch: MakeBatch, other_project: Project, hold: ProviderHealth
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=3)
    make_batch(BatchStatus.IN_PROGRESS, pending=40, of=other_project)
    client = member(Role.ADMIN)
    for path in (OVERVIEW, PAGE):
        text = text_of(client, path)
        assert "1 batch</a>, 3 requests" in text
        assert "Resume sending" not in text
        assert "An administrator of the portal can mend this." in text


def test_the_page_of_the_provider_says_so(console: Client, make_batch: MakeBatch, hold: ProviderHealth) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1)
    text = text_of(console, PAGE)
    assert text.count("Account problem") >= 2, "its own state, and that of its batch"
    assert "Top up the account" in text
    assert text_of(console, "/console/providers/").count("Account problem") == 1


def test_the_page_of_a_batch_says_why_it_waits(console: Client, make_batch: MakeBatch, hold: ProviderHealth) -> None:
    batch = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    text = text_of(console, f"/console/batches/{batch.id}/")
    assert "simulator has an account problem (1,234 calls in a row failed):" in text
    assert SENTENCE in text


def test_the_list_marks_what_waits_for_an_account_and_finds_it(
    console: Client, make_batch: MakeBatch, hold: ProviderHealth
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, remark="Waits", pending=1)
    make_batch(remark="Long over", succeeded=1)
    text = text_of(console, "/console/batches/?condition=account_problem")
    assert "Waits" in text
    assert "Long over" not in text
    assert text.count(">Account problem<") >= 1
    assert "Waits" in text_of(console, "/console/batches/?view=attention")
    assert "Waits" not in text_of(console, "/console/batches/?condition=throttled")


def test_a_long_wait_is_no_account_problem(console: Client, make_batch: MakeBatch, hold: ProviderHealth) -> None:
    """U7"""
    ProviderHealth.objects.update(hold_kind=Kind.RATE_LIMITED.value)
    make_batch(BatchStatus.IN_PROGRESS, remark="Waits", pending=1)
    assert "account problem" not in text_of(console, OVERVIEW)
    assert "Rate-limiting" in text_of(console, PAGE)
    assert "Waits" in text_of(console, "/console/batches/?condition=throttled")
    assert "Waits" not in text_of(console, "/console/batches/?condition=account_problem")


@pytest.mark.parametrize(("back", "leads_to"), [("overview", OVERVIEW), ("", PAGE), ("https://elsewhere.example/", PAGE)])
@pytest.mark.parametrize("act", ["check", "resume"])
def test_an_administrator_acts_from_either_page(
    console: Client, make_batch: MakeBatch, hold: ProviderHealth, act: str, back: str, leads_to: str
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1)
    assert console.post(f"{PAGE}{act}/", {"back": back}).headers["Location"] == leads_to
    hold.refresh_from_db()
    if act == "resume":
        assert hold.resumed_at is not None
        assert not hold.hold_kind
        assert "account problem" not in text_of(console, OVERVIEW)
    else:
        assert hold.probe_asked_at is not None
        assert hold.hold_kind, "only a request that succeeds ends it"
    entry = AuditEntry.objects.get(act=f"{act}_provider")
    assert (entry.outcome, entry.actor, entry.target) == ("done", "user operator", "simulator")


def test_to_resume_what_is_not_held_changes_nothing(console: Client, simulator: Provider) -> None:
    answer = console.post(f"{PAGE}resume/", follow=True)
    assert "is not held: nothing to resume" in answer.content.decode()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("act", ["check", "resume"])
def test_nobody_else_acts_and_that_is_on_record(member: SignIn, hold: ProviderHealth, act: str) -> None:
    assert member(Role.ADMIN).post(f"{PAGE}{act}/").status_code == 403
    hold.refresh_from_db()
    assert (hold.resumed_at, hold.probe_asked_at) == (None, None)
    entry = AuditEntry.objects.get()
    assert (entry.outcome, entry.act) == ("refused", f"{act}_provider")
