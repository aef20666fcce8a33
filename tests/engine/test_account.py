"""An upstream whose account is empty, or that refuses the credential: no request is lost, and few calls are made (U5)."""

import threading
from datetime import datetime, timedelta
from functools import partial

import pytest
from django.conf import settings as portal_settings
from django.http import QueryDict
from django.utils import timezone
from pytest_django import Settings

from batches.engine.executor import db_turn
from batches.engine.executor.lanes import upstreams
from batches.engine.limits import hold, keeping
from batches.filters import BatchFilter
from batches.models import Attempt, Batch, Project, ProviderHealth, Slice
from batches.services.insight.waiting import Cause, waiting
from batches.services.lifecycle.expire import expire
from batches.services.upstreams.providers import change_provider, check_provider, resume_provider
from providers.failures import Kind
from providers.models import Provider
from tests.cast import TESTER, assert_counts_are_true, ended, error_lines, request_lines, started, statuses
from tests.engine.executor.test_execute import executors, named, sent, wait_until
from tests.upstream import Answer, Request, Upstream, refuse, say, succeed

pytestmark = pytest.mark.django_db(transaction=True)

CONCURRENCY = 10
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


class Account:
    """The upstream's account: until it is mended, every request gets the same answer."""

    def __init__(self, upstream: Upstream, answer: Answer) -> None:
        self.upstream, self.answer = upstream, answer
        self.mended = threading.Event()
        upstream.behave(lambda request: succeed() if self.mended.is_set() or request.method == "GET" else self.answer)

    @property
    def calls(self) -> int:
        return sum(request.method == "POST" for request in self.upstream.requests)


@pytest.fixture
def account(upstream: Upstream) -> Account:
    return Account(upstream, refuse(402))


@pytest.fixture(autouse=True)
def impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes follow one another, acts are seen soon, and no hold is known from another test."""
    settings.EXECUTOR_CONCURRENCY, settings.SLICE_LINES = CONCURRENCY, 20
    monkeypatch.setattr(hold, "FIRST_SECONDS", 0.1)
    monkeypatch.setattr(db_turn, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(upstreams, "HEALTH_SECONDS", 0.1)
    keeping.limits.cache_clear()


@pytest.fixture
def patient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of itself, no probe is sent as long as a test runs."""
    settings.HOLD_PROBE_SECONDS = 600.0
    monkeypatch.setattr(hold, "FIRST_SECONDS", 600.0)


def health(provider: Provider) -> ProviderHealth:
    return ProviderHealth.objects.get(provider=provider, model="")


def is_held(provider: Provider) -> bool:
    return ProviderHealth.objects.filter(provider=provider, model="").exclude(hold_kind="").exists()


def found_by(question: str) -> list[Batch]:
    return list(BatchFilter(QueryDict(question), queryset=Batch.objects.all(), now=timezone.now()).matching)


def all_succeeded(batch: Batch) -> bool:
    return set(statuses(batch).values()) == {"succeeded"}


@pytest.mark.parametrize(("answer", "kind"), EMPTY.values(), ids=EMPTY)
def test_a_batch_waits_for_the_account_says_why_and_completes_once_it_is_mended(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings, answer: Answer, kind: Kind
) -> None:
    settings.MAX_ATTEMPTS, settings.HOLD_PROBE_SECONDS = 1, 0.2
    account = Account(upstream, answer)
    batch = started(project, request_lines(100))
    with executors(1):
        wait_until(lambda: is_held(provider))
        found = waiting(batch, now=timezone.now())
        assert found is not None
        assert found.cause is Cause.ACCOUNT_PROBLEM
        assert kind.sentence in found.sentence
        assert health(provider).hold is kind
        assert found_by("condition=account_problem") == found_by("view=attention") == [batch]
        assert not found_by("condition=throttled")
        wait_until(lambda: account.calls >= 2 * CONCURRENCY)  # that many probes have failed
        assert "refused by the test" not in found.sentence, "everybody sees it: it quotes no upstream"
        account.mended.set()
        wait_until(lambda: all_succeeded(batch))
        wait_until(lambda: not is_held(provider))
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
        wait_until(lambda: is_held(provider))
        wait_until(lambda: Slice.objects.filter(lease_expires_at__isnull=False).count() <= 8)
        calls = account.calls
        assert calls <= 2 * CONCURRENCY
        account.mended.set()
        resume_provider(provider, actor=TESTER, now=timezone.now())
        wait_until(lambda: all(map(all_succeeded, batches)))
    assert account.calls == calls + 300


@pytest.mark.usefixtures("patient")
class TestActs:
    """What an operator does reaches the executors at once, however long the interval to the next probe is."""

    def test_resume(self, project: Project, provider: Provider, account: Account) -> None:
        batch = started(project, request_lines(30))
        with executors(1):
            wait_until(lambda: is_held(provider))
            assert resume_provider(provider, actor=TESTER, now=timezone.now())
            calls = account.calls
            wait_until(lambda: account.calls > calls and is_held(provider))
            assert account.calls <= calls + 2 * hold.STRIKES, "it is held again, after few calls"
            account.mended.set()
            resume_provider(provider, actor=TESTER, now=timezone.now())
            wait_until(lambda: all_succeeded(batch))

    def test_check(self, project: Project, provider: Provider, account: Account) -> None:
        batch = started(project, request_lines(30))
        with executors(1):
            wait_until(lambda: is_held(provider))
            calls = account.calls
            assert check_provider(provider, actor=TESTER, now=timezone.now()).ok, "a list of models costs nothing"
            wait_until(lambda: account.calls == calls + 1)
            assert is_held(provider)
            account.mended.set()
            check_provider(provider, actor=TESTER, now=timezone.now())
            wait_until(lambda: all_succeeded(batch))

    def test_a_new_credential(self, project: Project, provider: Provider, upstream: Upstream) -> None:
        def by_key(request: Request) -> Answer:
            return succeed() if request.headers.get("authorization") == "Bearer new-credential" else refuse(401)

        upstream.behave(by_key)
        batch = started(project, request_lines(30))
        with executors(1):
            wait_until(lambda: is_held(provider))
            fresh = Provider.objects.get(pk=provider.pk)
            change_provider(fresh, changed=["credential"], credential="new-credential", actor=TESTER, now=timezone.now())
            wait_until(lambda: all_succeeded(batch))
            wait_until(lambda: not is_held(provider))

    @pytest.mark.parametrize("lost", ["the shared limits", "the executor", "both"])
    def test_a_hold_outlives_what_forgets_it(
        self, project: Project, provider: Provider, account: Account, settings: Settings, lost: str
    ) -> None:
        batch = started(project, request_lines(30))
        with executors(1):
            wait_until(lambda: is_held(provider))
            if lost == "the shared limits":
                since, calls = health(provider).held_since, account.calls
                assert since is not None
                _forget(provider)
                wait_until(lambda: account.calls == calls + 1)  # a probe at once
                _until_noted(provider)
                assert account.calls == calls + 1
                assert abs(_since(provider) - since) < timedelta(seconds=1)
                account.mended.set()
                resume_provider(provider, actor=TESTER, now=timezone.now())
                wait_until(lambda: all_succeeded(batch))
                return
            Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now())
        if lost == "both":
            _forget(provider)
        calls = account.calls
        Batch.objects.filter(pk=batch.pk).update(paused_at=None)
        assert is_held(provider)
        with executors(1):
            wait_until(lambda: Slice.objects.filter(lease_expires_at__isnull=False).exists())
            _until_noted(provider)
            assert is_held(provider)
            assert account.calls <= calls + 1
            account.mended.set()
            resume_provider(provider, actor=TESTER, now=timezone.now())
            wait_until(lambda: all_succeeded(batch))

    def test_at_the_deadline_the_requests_expire_and_say_why(
        self, project: Project, provider: Provider, account: Account
    ) -> None:
        batch = started(project, request_lines(30))
        with executors(1):
            wait_until(lambda: is_held(provider))
            batch.refresh_from_db()
            expire(batch, actor=TESTER, now=timezone.now())
        batch = ended(batch)
        assert batch.status == "expired"
        assert set(statuses(batch).values()) == {"expired"}
        [message] = {line["error"]["message"] for line in error_lines(batch)}
        assert message == (
            "The batch's deadline passed before this request ran. Its provider was held: "
            "The account at the upstream has used up its quota or credit."
        )


def _since(provider: Provider) -> datetime:
    since = health(provider).held_since
    assert since is not None
    return since


def _until_noted(provider: Provider) -> None:
    """Until an executor has noted twice how the provider is doing."""
    for _ in range(2):
        wait_until(partial(_is_newer, provider, health(provider).updated_at))


def _is_newer(provider: Provider, noted: datetime) -> bool:
    return health(provider).updated_at > noted


def _forget(provider: Provider) -> None:
    """The shared limits are lost."""
    kept = keeping.limits()
    if isinstance(kept, keeping.RedisLimits):
        kept._redis.delete(f"batchyard:limits:{provider.pk.hex}")
    else:
        assert isinstance(kept, keeping.LocalLimits)
        kept._states.pop(provider.pk)


# --- Requests that alone are the reason ---------------------------------------------------------------------------


def test_requests_that_alone_are_refused_end_after_their_attempts_while_the_provider_works(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    settings.MAX_ATTEMPTS = 3
    upstream.behave(lambda request: refuse(401) if named(request) in {"row-3", "row-9"} else succeed(delay=0.02))
    batch = started(project, request_lines(400))
    with executors(1):
        wait_until(lambda: statuses(batch)["row-3"] == statuses(batch)["row-9"] == "failed")
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
        wait_until(lambda: is_held(provider))
        good = started(project, request_lines(100, prefix="good-"))
        wait_until(lambda: all_succeeded(good))
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
        wait_until(lambda: found_by("condition=throttled") == [batch])
        wait_until(lambda: ProviderHealth.objects.filter(hold_kind=Kind.RATE_LIMITED.value).exists())
        calls = account.calls
        assert calls <= 3 * CONCURRENCY, "not each request finds it out for itself"
        wait_until(lambda: account.calls > calls)
        assert not found_by("condition=account_problem")
        account.mended.set()
        wait_until(lambda: all_succeeded(batch))


def test_a_huge_reset_in_the_headers_is_believed_for_the_longest_wait_only(
    project: Project, provider: Provider, upstream: Upstream, settings: Settings
) -> None:
    """U7"""
    settings.LONGEST_WAIT_SECONDS = 0.5
    upstream.answer(say(ANSWER, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="6h0m0s"))
    batch = started(project, request_lines(30))
    with executors(1):
        wait_until(lambda: all_succeeded(batch))


def test_the_portal_keeps_its_limits_where_this_session_says() -> None:
    expected = keeping.LocalLimits if portal_settings.EMBEDDED else keeping.RedisLimits
    assert isinstance(keeping.limits(), expected)
