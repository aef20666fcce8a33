"""API keys: issued, changed, accepted and refused."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from uuid_utils.compat import uuid7

from batches.models import ApiKey, AuditEntry, Batch, Project, Scope
from batches.rules.errors import InvalidRequest, NotAuthenticated
from batches.services.people.authenticate import authenticate, require_not_revoked
from batches.services.people.keys import KeyRevoked, change_key, issue_key, revoke_key
from providers.models import Provider
from tests.cast import TESTER, request_lines, submitted
from tests.together import thread
from tests.waiting import PATIENCE

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
NETWORKS = "10.0.0.0/8 2001:db8::/32"


def issue(**changes: Any) -> tuple[ApiKey, str]:
    usual: dict[str, Any] = {"name": "web", "actor": TESTER, "now": NOW}
    return issue_key("acme", **usual | changes)


def refused(plain: str, *, now: datetime = NOW, address: str = "") -> str:
    with pytest.raises(NotAuthenticated) as found:
        authenticate(plain, now=now, address=address)
    return found.value.message


# --- Issuing and changing --------------------------------------------------------------------------------------


def test_a_key_has_what_was_asked_for_and_its_text_is_in_no_table(db: None) -> None:
    key, plain = issue(scopes=["read", "submit"], expires_at=NOW + timedelta(days=1), addresses="2001:db8::1, 10.0.0.0/8")
    key.refresh_from_db()
    assert key.scope_list == [Scope.SUBMIT, Scope.READ]
    assert (key.addresses, key.created_by) == ("2001:db8::1/128 10.0.0.0/8", "tester")
    entry = AuditEntry.objects.get(act="issue_key")
    assert entry.reason == "scopes: submit read; expires: 2026-12-01 12:00 UTC; addresses: 2001:db8::1/128 10.0.0.0/8"
    assert plain not in str([vars(row) for row in (key, entry)])


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "admin"]}, "scopes"),
        ({"addresses": "10.0.0.1/8"}, "addresses"),
        ({"addresses": "localhost"}, "addresses"),
        ({"addresses": "10.0.0.0/33"}, "addresses"),
        ({"addresses": "fe80::1%eth0/64"}, "addresses"),
        ({"addresses": "\0"}, "addresses"),
        ({"addresses": " ".join(f"10.0.0.{number}" for number in range(51))}, "addresses"),
        ({"expires_at": NOW}, "expires_at"),
        ({"name": " "}, "name"),
    ],
)
def test_what_no_key_can_be_is_refused_and_nothing_is_kept(db: None, wrong: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as found:
        issue(**wrong)
    assert found.value.param == param
    assert not Project.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_network_that_is_meant_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"inside the network 10\.0\.0\.0/8"):
        issue(addresses="10.0.0.1/8")


@pytest.mark.both
def test_a_form_that_is_sent_twice_makes_one_key(db: None) -> None:
    token = uuid7()
    issue(id=token)
    with pytest.raises(IntegrityError):
        issue(id=token)
    assert ApiKey.objects.get().pk == token
    assert AuditEntry.objects.filter(act="issue_key").count() == 1


def test_a_change_is_on_record_with_the_old_and_the_new_values(db: None) -> None:
    key, plain = issue()
    changed = change_key(key, name="app", expires_at=NOW + timedelta(days=2), addresses="192.0.2.7", actor=TESTER, now=NOW)
    assert (changed.name, changed.addresses, changed.scopes) == ("app", "192.0.2.7/32", "submit read operate")
    entry = AuditEntry.objects.get(act="change_key")
    assert entry.changes == {
        "name": ["web", "app"],
        "expires_at": [None, "2026-12-02 12:00:00 UTC"],
        "addresses": ["", "192.0.2.7/32"],
    }
    assert entry.target_id == str(key.pk)
    assert plain not in str(vars(entry))


def test_what_is_changed_to_the_same_leaves_no_record(db: None) -> None:
    key, _ = issue(expires_at=NOW + timedelta(days=2))
    change_key(key, name="web", expires_at=key.expires_at, addresses="", actor=TESTER, now=NOW + timedelta(days=3))
    assert not AuditEntry.objects.filter(act="change_key").exists()


def test_a_revoked_key_is_not_changed(db: None) -> None:
    key, plain = issue()
    assert revoke_key(key, actor=TESTER, now=NOW)
    with pytest.raises(KeyRevoked):
        change_key(key, name="app", expires_at=None, addresses="", actor=TESTER, now=NOW)
    assert ApiKey.objects.get().name == "web"
    assert refused(plain)


# --- Accepting -------------------------------------------------------------------------------------------------


def test_whatever_is_wrong_with_a_key_the_refusal_says_the_same(db: None) -> None:
    _, expired = issue(expires_at=NOW + timedelta(seconds=1))
    revoked_key, revoked = issue()
    revoke_key(revoked_key, actor=TESTER, now=NOW)
    _, elsewhere = issue(addresses=NETWORKS)
    _, good = issue()
    later = NOW + timedelta(seconds=2)
    said = {
        refused(plain, now=later, address="192.0.2.1") for plain in (expired, revoked, elsewhere, "by_unknown", good + "x", "")
    }
    assert said == {"Incorrect API key provided."}


@pytest.mark.parametrize(
    ("address", "accepted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8:1::9", True),
        ("11.1.2.3", False),
        ("2001:db9::1", False),
        ("::ffff:11.1.2.3", False),
        ("", False),
        ("unix", False),
        ("10.1.2.3, 192.0.2.1", False),
    ],
)
def test_a_key_with_addresses_is_accepted_from_these_alone(db: None, address: str, accepted: bool) -> None:
    key, plain = issue(addresses=NETWORKS)
    if accepted:
        assert authenticate(plain, now=NOW, address=address) == key
    else:
        refused(plain, address=address)
    key.refresh_from_db()
    assert (key.last_used_at is not None, key.refused_at is not None) == (accepted, not accepted)
    assert key.refused_address == ("" if accepted else address)


def test_who_tries_a_wrong_text_from_elsewhere_is_not_noted(db: None) -> None:
    key, plain = issue(addresses=NETWORKS)
    refused(plain + "x", address="192.0.2.1")
    key.refresh_from_db()
    assert key.refused_at is None


def test_the_last_use_is_written_once_a_minute(db: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    _, plain = issue()
    for seconds, noted in ((0, 0), (1, 0), (59, 0), (61, 61), (100, 61)):
        authenticate(plain, now=NOW + timedelta(seconds=seconds))
        assert ApiKey.objects.get().last_used_at == NOW + timedelta(seconds=noted)
    with django_assert_num_queries(1):
        authenticate(plain, now=NOW + timedelta(seconds=110))


def test_a_refusal_from_elsewhere_is_written_once_a_minute(db: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    _, plain = issue(addresses=NETWORKS)
    refused(plain, address="192.0.2.1")
    with django_assert_num_queries(1):
        refused(plain, address="192.0.2.2", now=NOW + timedelta(seconds=30))
    refused(plain, address="192.0.2.2", now=NOW + timedelta(seconds=90))
    assert ApiKey.objects.get().refused_address == "192.0.2.2"


def held_while(act: Callable[[], object], hold: Callable[[], object]) -> None:
    """Do something while somebody else, in another thread, holds a transaction open in which `hold` was done."""
    holding, done = threading.Event(), threading.Event()

    def other() -> None:
        with transaction.atomic():
            hold()
            holding.set()
            done.wait(PATIENCE)

    beside = thread(other)
    beside.start()
    try:
        assert holding.wait(PATIENCE)
        act()
    finally:
        done.set()
        beside.join()


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
def test_no_request_waits_for_who_holds_the_key_or_writes() -> None:
    """On SQLite everybody who writes waits for whoever writes; on PostgreSQL whoever writes to the same row does."""
    key, plain = issue()
    began = timezone.now()
    held_while(lambda: authenticate(plain, now=NOW), lambda: ApiKey.objects.filter(pk=key.pk).update(name="held"))
    assert timezone.now() - began < timedelta(seconds=2)
    key.refresh_from_db()
    assert (key.name, key.last_used_at) == ("held", None), "it is noted a little later"
    authenticate(plain, now=NOW)
    key.refresh_from_db()
    assert key.last_used_at == NOW
    ApiKey.objects.update(name="free")  # whoever writes waits again as ever


# --- A call that takes long ------------------------------------------------------------------------------------


def test_a_call_that_began_before_its_key_was_revoked_makes_no_batch(db: None, project: Project, simulator: Provider) -> None:
    key, _ = issue()
    require_not_revoked(key)
    revoke_key(key, actor=TESTER, now=NOW)
    with pytest.raises(NotAuthenticated):
        submitted(project, request_lines(1), key=key)
    assert not Batch.objects.exists()
