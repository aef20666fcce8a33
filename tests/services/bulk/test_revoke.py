"""What becomes of the running batches of a key that is revoked."""

import pytest
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone

from batches.models import ApiKey, AuditEntry, Batch, BulkOperation, Event, Project
from batches.rules.actors import COMMAND
from batches.rules.states import BatchStatus, Source
from batches.services.bulk.revoke import Fate, revoke, revoke_at_once, running_batches
from batches.services.bulk.run import run
from batches.services.control.pause import pause
from batches.services.core.access import Access, access_of
from batches.services.people.keys import KeyRevoked
from providers.models import Provider
from tests.cast import TESTER, request_lines, started, submitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def by(operator: User) -> Access:
    return access_of(operator, source=Source.CONSOLE)


@pytest.fixture
def key(project: Project, simulator: Provider) -> ApiKey:
    """A key with a batch that runs, one that is checked, one that is paused; and other keys have batches, too."""
    found, _ = ApiKey.issue(project=project, name="web")
    other, _ = ApiKey.issue(project=project, name="app")
    started(project, request_lines(1), key=found)
    submitted(project, request_lines(1), key=found)
    pause(started(project, request_lines(1), key=found), actor=TESTER, now=timezone.now())
    started(project, request_lines(1), key=other)
    started(project, request_lines(1))
    return found


def states(batches: QuerySet[Batch]) -> list[tuple[str, bool]]:
    return [(batch.status, batch.paused_at is not None) for batch in batches.order_by("created_at")]


def others(key: ApiKey) -> QuerySet[Batch]:
    return Batch.objects.exclude(created_by_key=key) | Batch.objects.filter(created_by_key=None)


EXPECTED = {
    Fate.RUN: [("in_progress", False), ("validating", False), ("in_progress", True)],
    Fate.PAUSE: [("in_progress", True), ("validating", True), ("in_progress", True)],
    Fate.CANCEL: [("cancelling", False), ("cancelling", False), ("cancelling", True)],
}
ACTED = {Fate.RUN: 0, Fate.PAUSE: 2, Fate.CANCEL: 3}


@pytest.mark.parametrize("fate", Fate)
def test_its_running_batches_go_the_way_that_was_chosen_and_no_others(key: ApiKey, by: Access, fate: Fate) -> None:
    operation = revoke(key, fate=fate, by=by, now=timezone.now(), reason="It leaked.")
    key.refresh_from_db()
    assert key.revoked_at is not None
    if fate is Fate.RUN:
        assert operation is None
    else:
        assert operation is not None
        run(operation.pk, now=timezone.now())
        operation.refresh_from_db()
        assert (operation.total, operation.done) == (ACTED[fate], ACTED[fate])
        assert operation.reason == f"Key {key} was revoked. It leaked."
    assert states(running_batches(key)) == EXPECTED[fate]
    assert states(others(key)) == [("in_progress", False)] * 2
    entry = AuditEntry.objects.get(act="revoke_key")
    assert entry.reason == f"running batches: {fate.label.lower()}; It leaked."
    assert (entry.actor, entry.target_id) == ("user operator", str(key.pk))


@pytest.mark.parametrize("fate", Fate)
def test_a_command_does_the_same_at_once(key: ApiKey, fate: Fate) -> None:
    assert revoke_at_once(key, fate=fate, actor=COMMAND, now=timezone.now()) == ACTED[fate]
    assert states(running_batches(key)) == EXPECTED[fate]
    assert states(others(key)) == [("in_progress", False)] * 2
    noted = Event.objects.filter(actor="command", note=f"Key {key} was revoked.")
    assert noted.count() == ACTED[fate]


def test_a_key_without_a_running_batch_needs_no_operation(project: Project, by: Access) -> None:
    key, _ = ApiKey.issue(project=project, name="web")
    assert revoke(key, fate=Fate.CANCEL, by=by, now=timezone.now()) is None
    assert not BulkOperation.objects.exists()


def test_a_key_is_revoked_once(key: ApiKey, by: Access) -> None:
    revoke(key, fate=Fate.RUN, by=by, now=timezone.now())
    with pytest.raises(KeyRevoked):
        revoke(key, fate=Fate.CANCEL, by=by, now=timezone.now())
    assert Batch.objects.filter(status=BatchStatus.CANCELLING).count() == 0
    assert AuditEntry.objects.filter(act="revoke_key").count() == 1
