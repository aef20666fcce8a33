"""What is shown before an act on many batches: to how many it can be done, and why not to the others."""

from typing import Any

import pytest
from django.utils import timezone

from batches.models import AuditEntry, Batch, BulkAct, BulkOperation, Project, Role
from batches.rules.states import BatchStatus
from batches.services.bulk.acts import VERBS, Obstacle, Parameters
from batches.services.bulk.choice import matching, these
from batches.services.bulk.preview import preview
from batches.services.core.access import Access
from batches.services.storage.store import hide
from providers.models import Provider
from tests.cast import TESTER
from tests.console.conftest import MakeBatch
from tests.services.bulk.cast import counts, done, ids, member_of, ordered, outcomes

pytestmark = pytest.mark.django_db


def test_a_preview_says_how_many_and_why_not_the_others(root: Access, make_batch: MakeBatch) -> None:
    running = [make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch(BatchStatus.VALIDATING)]
    for status in (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLING, BatchStatus.FINALIZING):
        make_batch(status)
    now = timezone.now()
    shown = preview(matching(root, "", now=now), act=BulkAct.CANCEL, parameters={}, by=root, now=now)
    assert shown.eligible == 2
    assert {reason.obstacle: reason.count for reason in shown.left} == {
        Obstacle.ENDED: 2,
        Obstacle.CANCELLING: 1,
        Obstacle.FINALIZING: 1,
    }
    assert list(shown.sample) == running[::-1]
    assert (shown.query, shown.chosen) == ("view=all", ())
    assert not BulkOperation.objects.exists()


def states(make_batch: MakeBatch) -> list[Batch]:
    """A batch in every state that some act minds."""
    found = [make_batch(status, succeeded=1) for status in BatchStatus]
    found += [make_batch(status, failed=1) for status in (BatchStatus.IN_PROGRESS, BatchStatus.COMPLETED, BatchStatus.CANCELLED)]
    paused = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    gone = make_batch(BatchStatus.COMPLETED, failed=1)
    important = make_batch(BatchStatus.IN_PROGRESS, pending=1)
    Batch.objects.filter(pk=paused.pk).update(paused_at=timezone.now())
    Batch.objects.filter(pk=important.pk).update(priority=7)
    assert gone.input_file is not None
    hide(gone.input_file, actor=TESTER, now=timezone.now())
    return [*found, paused, gone, important]


@pytest.mark.parametrize("act", BulkAct)
def test_what_is_said_to_be_possible_is_done_and_the_rest_is_left_alone(
    root: Access, make_batch: MakeBatch, act: BulkAct
) -> None:
    batches = states(make_batch)
    Provider.objects.create(name="other", adapter="simulator")
    parameters = {
        BulkAct.REPRIORITISE: Parameters(priority=7),
        BulkAct.REROUTE: Parameters(provider="other"),
    }.get(act, Parameters())
    now = timezone.now()
    shown = preview(these(root, ids(batches)), act=act, parameters=parameters, by=root, now=now)
    assert 0 < shown.eligible < shown.matched == len(batches)
    operation = done(ordered(root, batches, act, parameters=parameters))
    assert counts(operation) == (len(batches), shown.eligible, len(batches) - shown.eligible, 0)
    for status, note in outcomes(operation).values():
        assert status == "done" or note.rstrip(".").lower() in {obstacle.label.lower() for obstacle in Obstacle}


def test_every_act_has_a_verb() -> None:
    assert set(VERBS) == set(BulkAct)


def test_rows_of_ones_own_projects_are_seen_and_acted_on_by_role(
    project: Project, other_project: Project, make_batch: MakeBatch
) -> None:
    own, foreign = (
        make_batch(BatchStatus.IN_PROGRESS, pending=1),
        make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project),
    )
    member_of(project)
    somebody = member_of(other_project, role=Role.VIEWER)
    now = timezone.now()
    shown = preview(matching(somebody, "", now=now), act=BulkAct.PAUSE, parameters={}, by=somebody, now=now)
    assert (shown.eligible, list(shown.sample)) == (1, [own])
    assert [(reason.obstacle, reason.count) for reason in shown.left] == [(Obstacle.NOT_PERMITTED, 1)]
    operation = done(ordered(somebody, [own, foreign], BulkAct.PAUSE))
    assert {pk: status for pk, (status, _) in outcomes(operation).items()} == {own.pk: "done", foreign.pk: "skipped"}
    refused = AuditEntry.objects.get(outcome="refused")
    assert (refused.act, refused.actor) == ("bulk_pause", "user ada")


def test_what_others_have_is_not_there(project: Project, other_project: Project, make_batch: MakeBatch) -> None:
    foreign = make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project)
    somebody, now = member_of(project), timezone.now()
    shown = preview(these(somebody, [str(foreign)]), act=BulkAct.CANCEL, parameters={}, by=somebody, now=now)
    assert (shown.eligible, shown.matched, shown.missing) == (0, 0, 1)
    assert counts(ordered(somebody, [foreign])) == (0, 0, 0, 0)


def test_a_preview_asks_as_much_of_many_as_of_few(
    root: Access, make_batch: MakeBatch, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        make_batch(BatchStatus.IN_PROGRESS, pending=1)
        now = timezone.now()
        with django_assert_max_num_queries(3):
            preview(matching(root, "", now=now), act=BulkAct.RETRY, parameters={}, by=root, now=now)
