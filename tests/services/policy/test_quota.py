"""Quotas of a project: what is counted, what is refused, and that two calls never take the same room."""

from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from batches.models import AuditEntry, Batch, BatchError, File, Project, Purpose, Upload
from batches.rules.errors import InvalidRequest, QuotaExceeded
from batches.services.control.cancel import cancel
from batches.services.intake.uploads import add_part, cancel_upload, complete_upload, start_upload
from batches.services.policy.quota import QUOTAS, quotas, require_room, set_quotas
from batches.services.storage.store import hide
from batches.services.upkeep.prune import prune
from providers.models import Provider
from tests.cast import TESTER, ended, request_lines, started, stored, submitted
from tests.together import at_once

pytestmark = pytest.mark.usefixtures("simulator")


def allow(project: Project, **limits: int | None) -> Project:
    return set_quotas(project, limits=limits, actor=TESTER, now=timezone.now())


def used(project: Project) -> dict[str, int]:
    return {quota.name: quota.used for quota in quotas(project)}


def upload(project: Project, size: int) -> Upload:
    return start_upload(project, filename="f", mime_type="text/plain", purpose=Purpose.USER_DATA, size=size, now=timezone.now())


# --- What is counted ---------------------------------------------------------------------------------------------


def test_a_project_that_has_nothing_uses_nothing(project: Project) -> None:
    assert used(project) == dict.fromkeys(QUOTAS, 0)
    assert {quota.limit for quota in quotas(project)} == {None}


def test_open_batches_are_those_that_have_not_ended(project: Project) -> None:
    batch = started(project, request_lines(2))
    submitted(project, request_lines(1))
    assert used(project)["open_batches"] == 2
    cancel(batch, actor=TESTER, now=timezone.now())
    assert used(project)["open_batches"] == 2, "it is still winding up"
    assert ended(batch).is_terminal
    assert used(project)["open_batches"] == 1


def test_objects_are_pending_once_their_batch_runs_and_at_once_where_they_were_announced(project: Project) -> None:
    submitted(project, request_lines(5))
    assert used(project)["pending_objects"] == 0
    started(project, request_lines(2))
    assert used(project)["pending_objects"] == 2
    announced = submitted(project, request_lines(3), requests=3)
    assert used(project)["pending_objects"] == 5
    cancel(announced, actor=TESTER, now=timezone.now())
    assert ended(announced).is_terminal
    assert used(project)["pending_objects"] == 2


def test_a_file_is_stored_until_its_bytes_are_gone(project: Project) -> None:
    file = stored(project, request_lines(1))
    assert used(project)["stored_bytes"] == file.bytes
    hide(file, actor=TESTER, now=timezone.now())
    assert used(project)["stored_bytes"] == file.bytes, "what is hidden is still kept"
    prune(now=timezone.now())
    assert used(project)["stored_bytes"] == 0


def test_an_upload_takes_the_room_that_it_promises_to_fill_once(project: Project) -> None:
    promised = upload(project, 4)
    assert used(project)["stored_bytes"] == 4
    part = add_part(promised, ContentFile(b"four"), now=timezone.now())
    complete_upload(promised, part_ids=[part.id], now=timezone.now())
    assert used(project)["stored_bytes"] == 4
    cancel_upload(upload(project, 100), now=timezone.now())
    assert used(project)["stored_bytes"] == 4


def test_a_promise_that_filled_the_quota_is_kept(project: Project) -> None:
    project = allow(project, stored_bytes=4)
    promised = upload(project, 4)
    part = add_part(promised, ContentFile(b"four"), now=timezone.now())
    complete_upload(promised, part_ids=[part.id], now=timezone.now())
    assert used(project)["stored_bytes"] == 4
    assert File.objects.get() == Upload.objects.get().file


def test_projects_do_not_share_a_quota(project: Project, other_project: Project) -> None:
    started(project, request_lines(2))
    assert used(other_project) == dict.fromkeys(QUOTAS, 0)


# --- What is refused ---------------------------------------------------------------------------------------------


def test_a_quota_says_its_name_its_limit_and_what_there_is(project: Project) -> None:
    allow(project, open_batches=1)
    project.refresh_from_db()
    submitted(project, request_lines(1))
    with pytest.raises(QuotaExceeded, match=r"Project acme may have 1 open batches; it has 1, and this would add 1\."):
        submitted(project, request_lines(1))
    assert Batch.objects.count() == 1


def test_the_portals_default_holds_where_a_project_has_no_limit_of_its_own(project: Project, settings: Settings) -> None:
    settings.PROJECT_MAX_OPEN_BATCHES = 0
    with pytest.raises(QuotaExceeded):
        submitted(project, request_lines(1))
    submitted(allow(project, open_batches=1), request_lines(1))
    with pytest.raises(QuotaExceeded):
        submitted(allow(project, open_batches=None), request_lines(1))


def test_a_batch_over_a_file_fails_its_validation_when_its_objects_are_too_many(project: Project) -> None:
    project = allow(project, pending_objects=3)
    assert started(project, request_lines(2)).status == "in_progress"
    refused = started(project, request_lines(2))
    assert (refused.status, refused.total, refused.error_count) == ("failed", 0, 1)
    error = BatchError.objects.get(batch=refused)
    assert (error.code, error.line) == ("insufficient_quota", None)
    assert "3 pending objects; it has 2, and this would add 2" in error.message
    assert used(project)["pending_objects"] == 2
    assert started(project, request_lines(1)).status == "in_progress"


def test_announced_objects_are_asked_for_once(project: Project) -> None:
    project = allow(project, pending_objects=3)
    assert started(project, request_lines(3), requests=3).status == "in_progress"
    with pytest.raises(QuotaExceeded):
        submitted(project, request_lines(1), requests=1)


def test_a_file_that_does_not_fit_leaves_nothing_behind(project: Project, media_root: Path) -> None:
    project = allow(project, stored_bytes=10)
    with pytest.raises(QuotaExceeded, match="10 stored bytes; it has 0"):
        stored(project, request_lines(1))
    assert not File.objects.exists()
    assert [path for path in media_root.rglob("*") if path.is_file()] == []


def test_an_upload_that_does_not_fit_is_not_begun(project: Project) -> None:
    project = allow(project, stored_bytes=10)
    upload(project, 10)
    with pytest.raises(QuotaExceeded):
        upload(project, 1)
    assert Upload.objects.count() == 1


def test_a_lowered_limit_takes_nothing_away_and_gives_nothing_more(project: Project) -> None:
    batch = started(project, request_lines(2))
    project = allow(project, open_batches=0, pending_objects=1)
    batch.refresh_from_db()
    assert batch.status == "in_progress"
    with pytest.raises(QuotaExceeded):
        submitted(project, request_lines(1))


def test_nothing_is_asked_of_the_database_where_no_quota_is_set(
    project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        require_room(project, open_batches=1, pending_objects=10, stored_bytes=10)


# --- Setting them ------------------------------------------------------------------------------------------------


def test_setting_a_quota_leaves_the_others_and_a_trace(project: Project) -> None:
    allow(project, open_batches=5, stored_bytes=7)
    allow(project, open_batches=None)
    project.refresh_from_db()
    assert (project.max_open_batches, project.max_pending_objects, project.max_stored_bytes) == (None, None, 7)
    entry = AuditEntry.objects.latest("created_at")
    assert (entry.act, entry.actor, entry.target) == ("set_quotas", "tester", "acme")
    assert entry.changes == {"max_open_batches": [5, None]}


def test_a_quota_that_is_no_number_from_0_is_refused(project: Project) -> None:
    with pytest.raises(InvalidRequest, match="max_open_batches"):
        allow(project, open_batches=-1)
    project.refresh_from_db()
    assert project.max_open_batches is None


# --- At the same time --------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_creates_at_the_same_time_no_more_pass_than_there_is_room_for(project: Project, simulator: Provider) -> None:
    project = allow(project, open_batches=3)
    came = at_once(*[lambda: submitted(project, request_lines(1)) for _ in range(8)])
    assert sum(isinstance(one, QuotaExceeded) for one in came) == 5
    assert Batch.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_of_validations_at_the_same_time_no_more_pass_than_there_is_room_for(project: Project, simulator: Provider) -> None:
    project = allow(project, pending_objects=5)
    at_once(*[lambda: started(project, request_lines(2)) for _ in range(4)])
    assert sorted(Batch.objects.values_list("status", flat=True)) == ["failed", "failed", "in_progress", "in_progress"]


@pytest.mark.django_db(transaction=True)
def test_of_files_at_the_same_time_no_more_are_kept_than_there_is_room_for(project: Project, simulator: Provider) -> None:
    content = request_lines(1)
    project = allow(project, stored_bytes=2 * len(content))
    came = at_once(
        *[lambda: stored(project, content) for _ in range(4)],
        *[lambda: upload(project, len(content)) for _ in range(4)],
    )
    assert sum(isinstance(one, QuotaExceeded) for one in came) == 6
    assert File.objects.count() + Upload.objects.count() == 2
