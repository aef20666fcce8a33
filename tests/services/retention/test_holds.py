"""Legal holds: placed and released with a reason; nothing under one is removed."""

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, Batch, BatchMinute, BatchResult, Event, File, LegalHold, Project, Purpose, RetentionKind
from batches.rules.errors import InvalidRequest
from batches.services.intake.uploads import add_part, start_upload
from batches.services.retention.holds import AlreadyHeld, AlreadyReleased, UnderHold, place_hold, release_hold, require_not_held
from batches.services.retention.terms import set_terms
from batches.services.upkeep.overdue import overdue
from batches.services.upkeep.prune import prune
from tests.cast import TESTER
from tests.services.pruned import mixed
from tests.services.upkeep.conftest import long_ago

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

DAY = timedelta(days=1)


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    """A batch that ended long ago in a project that keeps nothing for longer than a month."""
    settings.BATCH_RETENTION_DAYS = 30
    now = timezone.now()
    days: dict[RetentionKind, int | None] = {
        kind: 20 for kind in RetentionKind if kind not in (RetentionKind.AUDIT, RetentionKind.BATCHES)
    }
    set_terms(project, days=days, actor=TESTER, now=now - 100 * DAY)
    batch = mixed(project, settings)
    long_ago(batch, 40)
    File.objects.update(created_at=now - 40 * DAY, expires_at=now - DAY)
    return batch


def everything() -> tuple[int, int, int, int]:
    kept = File.objects.filter(purged_at=None)
    assert all(file.content.storage.exists(str(file.content.name)) for file in kept)
    return Batch.objects.count(), BatchResult.objects.count(), Event.objects.count(), kept.count()


@pytest.mark.parametrize("whole", [True, False], ids=["project", "batch"])
def test_nothing_under_hold_is_removed_and_everything_goes_after_its_release(batch: Batch, whole: bool) -> None:
    now = timezone.now()
    before = everything()
    hold = place_hold(batch.project, batch=None if whole else batch, reason="A lawsuit.", actor=TESTER, now=now)

    prune(now=now)

    assert everything() == before
    found = overdue(batch.project, now=now)
    kinds = {RetentionKind.BODIES, RetentionKind.FILES, RetentionKind.RESULTS, RetentionKind.EVENTS, RetentionKind.BATCHES}
    assert {item.kind for item in found} == kinds
    assert all("legal hold" in item.reason for item in found)

    release_hold(hold, reason="It is settled.", actor=TESTER, now=now)
    prune(now=now)

    assert Batch.objects.count() == BatchResult.objects.count() == Event.objects.count() == 0
    assert not any(file.content.storage.exists(str(file.content.name)) for file in File.objects.all())
    assert overdue(batch.project, now=now) == []


def test_a_hold_of_one_batch_holds_no_other(batch: Batch, project: Project, settings: Settings) -> None:
    other = mixed(project, settings)
    long_ago(other, 40)
    place_hold(project, batch=batch, reason="A lawsuit.", actor=TESTER, now=timezone.now())
    prune(now=timezone.now())
    assert list(Batch.objects.all()) == [batch]


def test_a_hold_needs_a_reason_and_there_is_one_at_a_time(project: Project) -> None:
    now = timezone.now()
    with pytest.raises(InvalidRequest, match="Give a reason"):
        place_hold(project, reason=" ", actor=TESTER, now=now)
    hold = place_hold(project, reason="A lawsuit.", actor=TESTER, now=now)
    with pytest.raises(AlreadyHeld):
        place_hold(project, reason="Another one.", actor=TESTER, now=now)
    with pytest.raises(InvalidRequest, match="Give a reason"):
        release_hold(hold, reason="", actor=TESTER, now=now)
    release_hold(hold, reason="It is settled.", actor=TESTER, now=now)
    with pytest.raises(AlreadyReleased):
        release_hold(hold, reason="Again.", actor=TESTER, now=now)
    assert list(AuditEntry.objects.order_by("created_at", "id").values_list("act", "reason")) == [
        ("place_hold", "A lawsuit."),
        ("release_hold", "It is settled."),
    ]
    assert LegalHold.objects.get().released_by == "tester"


def test_a_hold_says_of_itself_why_something_is_refused(project: Project, other_project: Project) -> None:
    place_hold(project, reason="A lawsuit.", actor=TESTER, now=timezone.now())
    require_not_held(other_project, batches=[])
    with pytest.raises(UnderHold, match=r"Project acme is under legal hold: A lawsuit\."):
        require_not_held(project, batches=[])


def test_parts_of_uploads_and_counts_of_minutes_stay_under_hold_too(project: Project, settings: Settings) -> None:
    now = timezone.now()
    batch = mixed(project, settings)
    BatchMinute.objects.create(batch=batch, minute=now - 400 * DAY)
    upload = start_upload(project, filename="x", mime_type="x", purpose=Purpose.USER_DATA, size=6, now=now)
    part = add_part(upload, ContentFile(b"abc"), now=now)
    hold = place_hold(project, reason="A lawsuit.", actor=TESTER, now=now)

    prune(now=now + DAY)

    assert BatchMinute.objects.filter(minute__lt=now - 300 * DAY).exists()
    assert part.content.storage.exists(str(part.content.name))
    release_hold(hold, reason="It is settled.", actor=TESTER, now=now)
    prune(now=now + DAY)
    assert not BatchMinute.objects.filter(minute__lt=now - 300 * DAY).exists()
    assert not part.content.storage.exists(str(part.content.name))
