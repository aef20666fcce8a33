"""What operators do about an account reaches the executors at once."""

from datetime import datetime, timedelta
from functools import partial

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.engine.limits import hold, keeping
from batches.models import Batch, Project, Slice
from batches.services.lifecycle.expire import expire
from batches.services.upstreams.providers import change_provider, check_provider, resume_provider
from providers.models import Provider
from tests.answers import Answer, Request, refuse, succeed
from tests.cast import TESTER, ended, error_lines, request_lines, started, statuses
from tests.engine.account.conftest import Account, all_succeeded, health, is_held
from tests.engine.executors import executors
from tests.upstream import Upstream
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.mark.usefixtures("patient")
class TestActs:
    """What an operator does reaches the executors at once, however long the interval to the next probe is."""

    def test_resume(self, project: Project, provider: Provider, account: Account) -> None:
        batch = started(project, request_lines(30))
        with executors(1):
            until(lambda: is_held(provider))
            assert resume_provider(provider, actor=TESTER, now=timezone.now())
            calls = account.calls
            until(lambda: account.calls > calls and is_held(provider))
            assert account.calls <= calls + 2 * hold.STRIKES, "it is held again, after few calls"
            account.mended.set()
            resume_provider(provider, actor=TESTER, now=timezone.now())
            until(lambda: all_succeeded(batch))

    def test_check(self, project: Project, provider: Provider, account: Account) -> None:
        batch = started(project, request_lines(30))
        with executors(1):
            until(lambda: is_held(provider))
            calls = account.calls
            assert check_provider(provider, actor=TESTER, now=timezone.now()).ok, "a list of models costs nothing"
            until(lambda: account.calls == calls + 1)
            assert is_held(provider)
            account.mended.set()
            check_provider(provider, actor=TESTER, now=timezone.now())
            until(lambda: all_succeeded(batch))

    def test_a_new_credential(self, project: Project, provider: Provider, upstream: Upstream) -> None:
        def by_key(request: Request) -> Answer:
            return succeed() if request.headers.get("authorization") == "Bearer new-credential" else refuse(401)

        upstream.behave(by_key)
        batch = started(project, request_lines(30))
        with executors(1):
            until(lambda: is_held(provider))
            fresh = Provider.objects.get(pk=provider.pk)
            change_provider(fresh, changed=["credential"], credential="new-credential", actor=TESTER, now=timezone.now())
            until(lambda: all_succeeded(batch))
            until(lambda: not is_held(provider))

    @pytest.mark.parametrize("lost", ["the shared limits", "the executor", "both"])
    def test_a_hold_outlives_what_forgets_it(
        self, project: Project, provider: Provider, account: Account, settings: Settings, lost: str
    ) -> None:
        batch = started(project, request_lines(30))
        with executors(1):
            until(lambda: is_held(provider))
            if lost == "the shared limits":
                since, calls = health(provider).held_since, account.calls
                assert since is not None
                _forget(provider)
                until(lambda: account.calls == calls + 1)  # a probe at once
                _until_noted(provider)
                assert account.calls == calls + 1
                assert abs(_since(provider) - since) < timedelta(seconds=1)
                account.mended.set()
                resume_provider(provider, actor=TESTER, now=timezone.now())
                until(lambda: all_succeeded(batch))
                return
            Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now())
        if lost == "both":
            _forget(provider)
        calls = account.calls
        Batch.objects.filter(pk=batch.pk).update(paused_at=None)
        assert is_held(provider)
        with executors(1):
            until(lambda: Slice.objects.filter(lease_expires_at__isnull=False).exists())
            _until_noted(provider)
            assert is_held(provider)
            assert account.calls <= calls + 1
            account.mended.set()
            resume_provider(provider, actor=TESTER, now=timezone.now())
            until(lambda: all_succeeded(batch))

    def test_at_the_deadline_the_requests_expire_and_say_why(
        self, project: Project, provider: Provider, account: Account
    ) -> None:
        batch = started(project, request_lines(30))
        with executors(1):
            until(lambda: is_held(provider))
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
        until(partial(_is_newer, provider, health(provider).updated_at))


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
