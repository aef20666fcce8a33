"""An upstream whose account is empty, or that refuses the credential: no request is lost, and few calls are made (U5)."""

import pytest
from django.conf import settings as portal_settings
from django.http import QueryDict
from django.utils import timezone
from pytest_django import Settings

from batches.engine.limits import keeping
from batches.filters import BatchFilter
from batches.models import Attempt, Batch, Project, ProviderHealth, Slice
from batches.services.insight.waiting import Cause, waiting
from batches.services.upstreams.providers import resume_provider
from providers.failures import Kind
from providers.models import Provider
from tests.answers import Answer, refuse, say, succeed
from tests.cast import TESTER, assert_counts_are_true, ended, request_lines, started, statuses
from tests.engine.account.conftest import CONCURRENCY, Account, all_succeeded, health, is_held
from tests.engine.executors import executors, named, sent
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]
ANSWER = b'{"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}'
BILLING = b'{"type": "error", "error": {"type": "billing_error", "message": "There is an issue with your payment."}}'
BALANCE = b'{"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}'
# What the upstreams that people use answer when the account is empty, or the key is wrong.
EMPTY = {
    "OpenRouter: 402": (refuse(402, message="Insufficient credits"), Kind.QUOTA),
    "OpenAI: 429 insufficient_quota": (refuse(429, code="insufficient_quota", retry_after=1), Kind.QUOTA),
    "Anthropic: billing_error": (say(BILLING, status=400), Kind.QUOTA),
    "OpenAI: 401": (refuse(401, code="invalid_api_key"), Kind.AUTHENTICATION),
    "MiniMax: 200": (say(BALANCE), Kind.QUOTA),
}


def found_by(question: str) -> list[Batch]:
    return list(BatchFilter(QueryDict(question), queryset=Batch.objects.all(), now=timezone.now()).matching)


@pytest.mark.parametrize(("answer", "kind"), EMPTY.values(), ids=EMPTY)
def test_a_batch_waits_for_the_account_says_why_and_completes_once_it_is_mended(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, answer: Answer, kind: Kind
) -> None:
    settings.MAX_ATTEMPTS, settings.HOLD_PROBE_SECONDS = 1, 0.2
    account = Account(upstream, answer)
    batch = started(project, request_lines(100))
    with executors(1):
        until(lambda: is_held(provider))
        found = waiting(batch, now=timezone.now())
        assert found is not None
        assert found.cause is Cause.ACCOUNT_PROBLEM
        assert kind.sentence in found.sentence
        assert health(provider).hold is kind
        assert found_by("condition=account_problem") == found_by("view=attention") == [batch]
        assert not found_by("condition=throttled")
        until(lambda: account.calls >= 2 * CONCURRENCY)  # that many probes have failed
        assert "refused by the test" not in found.sentence, "everybody sees it: it quotes no upstream"
        account.mended.set()
        until(lambda: all_succeeded(batch))
        until(lambda: not is_held(provider))
    assert upstream.peak_in_flight <= CONCURRENCY
    assert_counts_are_true(batch)
    attempts = Attempt.objects.filter(batch=batch)
    assert attempts.count() == len(upstream.requests) - 100
    assert set(attempts.values_list("kind", "counted")) == {(kind.value, False)}
    assert ended(batch).status == "completed"


@pytest.mark.usefixtures("patient")
def test_few_calls_are_made_and_the_slices_are_let_go_of(project: Project, provider: Provider, account: Account) -> None:
    batches = [started(project, request_lines(100, prefix=f"batch{number}-")) for number in range(3)]
    with executors(1):
        until(lambda: is_held(provider))
        until(lambda: Slice.objects.filter(lease_expires_at__isnull=False).count() <= 8)
        calls = account.calls
        assert calls <= 2 * CONCURRENCY
        account.mended.set()
        resume_provider(provider, actor=TESTER, now=timezone.now())
        until(lambda: all(map(all_succeeded, batches)))
    assert account.calls == calls + 300


# --- Requests that alone are the reason ---------------------------------------------------------------------------


def test_requests_that_alone_are_refused_end_after_their_attempts_while_the_provider_works(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.MAX_ATTEMPTS = 3
    upstream.behave(lambda request: refuse(401) if named(request) in {"row-3", "row-9"} else succeed(delay=0.02))
    batch = started(project, request_lines(400))
    with executors(1):
        until(lambda: statuses(batch)["row-3"] == statuses(batch)["row-9"] == "failed")
        assert not is_held(provider)
    odd = {name: status for name, status in statuses(batch).items() if status != "succeeded"}
    assert odd == {"row-3": "failed", "row-9": "failed"}
    attempts = Attempt.objects.filter(batch=batch, line__in=(3, 9), counted=True)
    assert attempts.count() == 2 * (settings.MAX_ATTEMPTS - 1), "the last one is the result"
    assert max(sent(upstream)[name] for name in odd) < 20, "the first does not count, nor does one without news of others"
    assert_counts_are_true(batch)


def test_a_batch_of_odd_requests_does_not_hold_the_next_one(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.HOLD_PROBE_SECONDS = 0.1
    upstream.behave(lambda request: refuse(401) if named(request).startswith("odd") else succeed(delay=0.01))
    odd = started(project, request_lines(15, prefix="odd-"))
    with executors(1):
        until(lambda: is_held(provider))
        good = started(project, request_lines(100, prefix="good-"))
        until(lambda: all_succeeded(good))
        Batch.objects.filter(pk=odd.pk).update(paused_at=timezone.now())


# --- Long waits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", [86_400, 2_796_022_830], ids=["a day", "beyond every deadline"])
def test_a_long_wait_fails_no_request_and_is_tried_now_and_then(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, wait: int
) -> None:
    """U7"""
    settings.LONGEST_WAIT_SECONDS, settings.HOLD_PROBE_SECONDS = 0.5, 0.2
    account = Account(upstream, refuse(429, retry_after=wait))
    batch = started(project, request_lines(200))
    with executors(1):
        until(lambda: found_by("condition=throttled") == [batch])
        until(lambda: ProviderHealth.objects.filter(hold_kind=Kind.RATE_LIMITED.value).exists())
        calls = account.calls
        assert calls <= 3 * CONCURRENCY, "not each request finds it out for itself"
        until(lambda: account.calls > calls)
        assert not found_by("condition=account_problem")
        account.mended.set()
        until(lambda: all_succeeded(batch))


def test_a_huge_reset_in_the_headers_is_believed_for_the_longest_wait_only(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    """U7"""
    settings.LONGEST_WAIT_SECONDS = 0.5
    upstream.answer(say(ANSWER, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="6h0m0s"))
    batch = started(project, request_lines(30))
    with executors(1):
        until(lambda: all_succeeded(batch))


def test_the_portal_keeps_its_limits_where_this_session_says() -> None:
    expected = keeping.LocalLimits if portal_settings.EMBEDDED else keeping.RedisLimits
    assert isinstance(keeping.limits(), expected)
