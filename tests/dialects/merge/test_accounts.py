"""Linked accounts: which header names one, and whose it may be."""

import pytest
from django.utils import timezone

from batches.models import ApiKey, Batch, Project, ProviderGrant
from batches.services.people.accounts import issue_token, revoke_token
from batches.services.upstreams.providers import disable_provider
from providers.models import Provider
from tests.cast import TESTER
from tests.dialects.merge.conftest import Merge, detail, item, problem


@pytest.fixture
def ledger(project: Project) -> Provider:
    """A provider that `project` alone may use."""
    provider = Provider.objects.create(name="ledger", adapter="http", base_url="https://ledger.example", granted_to_all=False)
    ProviderGrant.objects.create(project=project, provider=provider)
    return provider


def test_a_token_chooses_the_provider(key: str, project: Project, simulator: Provider, ledger: Provider) -> None:
    tokens = {
        provider: issue_token(project, provider=provider, actor=TESTER, now=timezone.now())[1] for provider in (simulator, ledger)
    }
    for provider, token in tokens.items():
        batch_id = Merge(key, account=token).batch_id("a")
        assert Batch.objects.get(pk=batch_id).provider == provider


@pytest.mark.parametrize("account", [None, "", "  "])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_call_without_an_account_is_told_how_to_name_one(
    key: str, simulator: Provider, account: str | None, method: str
) -> None:
    merge = Merge(key, account=account)
    answer = merge.create_items("a") if method == "POST" else merge.read("0" * 32)
    assert answer.status == 401
    assert "X-Account-Token" in detail(answer)


def test_a_call_without_a_key_is_asked_for_that_first(simulator: Provider) -> None:
    answer = Merge(None, account=None).create_items("a")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "API key" in detail(answer)


@pytest.mark.parametrize("account", ["acct_unknown", "nobody", "\xff", "a\0b", "x" * 5000])
def test_an_unknown_account_is_refused(key: str, simulator: Provider, account: str) -> None:
    answer = Merge(key, account=account).create_items("a")
    assert answer.status == 401
    assert detail(answer)


def test_another_projects_token_is_refused_as_an_unknown_one_is(
    other_key: str, key: str, project: Project, simulator: Provider
) -> None:
    _, token = issue_token(project, provider=simulator, actor=TESTER, now=timezone.now())
    assert Merge(key, account=token).create_items("a").status == 202
    answers = [Merge(other_key, account=account).create_items("a") for account in (token, "acct_unknown")]
    assert [answer.status for answer in answers] == [401, 401]
    assert answers[0].content == answers[1].content


def test_a_revoked_token_is_refused(key: str, project: Project, simulator: Provider) -> None:
    token, plain = issue_token(project, provider=simulator, actor=TESTER, now=timezone.now())
    revoke_token(token, actor=TESTER, now=timezone.now())
    assert Merge(key, account=plain).create_items("a").status == 401


def test_a_providers_name_is_accepted_only_where_it_is_granted(key: str, other_key: str, ledger: Provider) -> None:
    assert Merge(key, account="ledger").create_items("a").status == 202
    assert Merge(other_key, account="ledger").create_items("a").status == 401


def test_a_token_outlives_the_key_that_it_was_used_with(key: str, project: Project, simulator: Provider) -> None:
    _, token = issue_token(project, provider=simulator, actor=TESTER, now=timezone.now())
    batch_id = Merge(key, account=token).batch_id("a")
    _, other = ApiKey.issue(project=project, name="rotated")
    assert Merge(other, account=token).read(batch_id).status == 200


def test_a_disabled_provider_takes_nothing_new_and_shows_what_it_has(key: str, ledger: Provider) -> None:
    merge = Merge(key, account="ledger")
    batch_id = merge.batch_id("a")
    disable_provider(ledger, actor=TESTER, now=timezone.now())
    assert problem(merge.create_items("b"))["problem_type"] == "NO_PROVIDER"
    assert merge.read(batch_id).status == 200


def test_a_provider_that_does_not_serve_the_model_is_named(key: str, ledger: Provider) -> None:
    Provider.objects.filter(pk=ledger.pk).update(options={"endpoints": ["/accounting/v1/invoices"]})
    merge = Merge(key, account="ledger")
    assert merge.create_items("a", model="invoices").status == 202
    assert "/accounting/v1/expenses" in problem(merge.create_items("a", model="expenses"))["detail"]


def test_accounts_do_not_share_batches_or_idempotency_keys(key: str, simulator: Provider, ledger: Provider) -> None:
    document = {"batch_items": [item("a")]}
    first = Merge(key, account="ledger").create(document, Idempotency_Key="k1")
    second = Merge(key, account="simulator").create(document, Idempotency_Key="k1")
    assert first.json != second.json
    answer = Merge(key, account="simulator").read(first.json["batch_id"])
    assert answer.status == 404
    assert "account" in detail(answer)
