"""Every disagreement is found, and mended where that is safe; a healthy portal has none."""

from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchError, BatchResult, Event, File, Project
from batches.rules.states import BatchStatus
from batches.services.consistency.jobs import CHECKS as JOB_CHECKS
from batches.services.consistency.verify import CHECKS, disagreements, mend, verify_recent
from batches.services.control.cancel import cancel
from providers.models import Provider
from tests.cast import (
    TESTER,
    assert_counts_are_true,
    ended,
    error_lines,
    output_lines,
    request_line,
    run_executor,
    started,
    submitted,
)
from tests.services.havoc import (
    BEYOND,
    MENDED,
    Cast,
    Havoc,
    freeze_wrongly,
    lose_a_count,
    lose_results,
    lose_the_output,
    miscount_errors,
    remove,
)

MESSAGES = [{"role": "user", "content": "How many?"}]
FAILS: dict[str, Any] = {"simulate": {"status": 400, "code": "content_filter", "message": "Refused."}}


@pytest.fixture
def cast(project: Project, simulator: Provider, settings: Settings, transactional_db: None) -> Cast:
    settings.SLICE_LINES = 2
    content = b"".join(
        request_line(f"row-{number}", messages=MESSAGES, **(FAILS if number in (2, 3) else {})) for number in range(1, 6)
    )
    done, running = started(project, content), started(project, content)
    run_executor()
    fresh, stopped = started(project, content), started(project, content)
    cancel(stopped, actor=TESTER, now=timezone.now())
    return Cast(ended(done), reread(running), fresh, ended(stopped))


def reread(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def found() -> dict[str, list[Batch | None]]:
    """What disagrees: the batches by the name of the check."""
    names: dict[str, list[Batch | None]] = {}
    for disagreement in disagreements(Batch.objects.all(), now=timezone.now()):
        names.setdefault(disagreement.check.name, []).append(disagreement.batch)
    return names


def repaired() -> list[str]:
    """Mend everything; the reasons of what could not be."""
    return [mended.reason for mended in mend(Batch.objects.all(), actor=TESTER, now=timezone.now()) if not mended.done]


def test_a_healthy_portal_agrees_with_itself(cast: Cast, project: Project) -> None:
    refused = started(project, b'{"custom_id": \n')
    waiting = submitted(project, request_line("a"))
    assert [batch.status for batch in (cast.done, cast.stopped, refused, waiting)] == [
        "completed",
        "cancelled",
        "failed",
        "validating",
    ]
    assert found() == {}
    assert repaired() == []
    assert not Event.objects.filter(act="repaired").exists()


@pytest.mark.parametrize(("go_wrong", "check"), MENDED, ids=[go_wrong.__name__ for go_wrong, _ in MENDED])
def test_what_can_be_mended_is_found_and_mended(cast: Cast, go_wrong: Havoc, check: str) -> None:
    batch = go_wrong(cast)
    before = found()
    assert check in before
    assert {one.pk for batches in before.values() for one in batches if one} == {batch.pk}
    assert repaired() == []
    assert found() == {}
    batch = reread(batch)
    notes = Event.objects.filter(batch=batch, act="repaired", actor="tester").values_list("note", flat=True)
    assert any(note.startswith(f"{check}: ") for note in notes)
    if batch.status != BatchStatus.VALIDATING and batch.total:
        assert_counts_are_true(batch)


@pytest.mark.parametrize(("go_wrong", "check"), BEYOND, ids=[go_wrong.__name__ for go_wrong, _ in BEYOND])
def test_what_cannot_be_mended_is_found_and_said(cast: Cast, go_wrong: Havoc, check: str) -> None:
    batch = go_wrong(cast)
    assert batch in found()[check]
    reasons = repaired()
    assert reasons
    assert all(reason.endswith((".", ").")) for reason in reasons)
    assert batch in found()[check]


def test_every_check_has_a_test() -> None:
    of_jobs = {check.name for check in JOB_CHECKS}  # see test_jobs
    assert {check.name for check in CHECKS} - of_jobs == {name for _, name in (*MENDED, *BEYOND)}
    assert all(check.sentence.endswith(".") for check in CHECKS)


def test_results_may_be_pruned_once_the_files_hold_them(cast: Cast) -> None:
    BatchResult.objects.filter(batch__in=[cast.done, cast.stopped]).delete()
    assert found() == {}


def test_files_may_be_purged(cast: Cast) -> None:
    remove(cast.done, "output_file")
    assert cast.done.output_file is not None
    File.objects.filter(pk=cast.done.output_file.pk).update(purged_at=timezone.now())
    assert found() == {}


def test_a_file_that_is_written_anew_keeps_its_id_and_says_the_same(cast: Cast) -> None:
    before = output_lines(cast.done), error_lines(cast.done)
    lose_the_output(cast)
    assert repaired() == []
    after = reread(cast.done)
    assert after.output_file_id == cast.done.output_file_id
    assert (output_lines(after), error_lines(after)) == before
    assert after.lease_expires_at is None


def test_an_object_whose_result_is_lost_fails_and_says_so(cast: Cast) -> None:
    lose_results(cast)
    repaired()
    batch = ended(cast.running)
    assert batch.status == "completed"
    lost = {line["custom_id"]: line for line in error_lines(batch)}
    assert lost["row-1"]["error"]["code"] == lost["row-2"]["error"]["code"] == "result_lost"
    assert BatchError.objects.filter(batch=batch, line=1, code="result_lost").count() == 1


def test_the_beat_mends_what_is_safe_and_leaves_the_rest(cast: Cast) -> None:
    lose_a_count(cast)
    freeze_wrongly(cast)
    miscount_errors(cast)
    lose_the_output(cast)
    verify_recent(now=timezone.now())
    assert set(found()) == {"missing_files"}
    assert set(Event.objects.filter(act="repaired").values_list("actor", flat=True)) == {"reconcile"}
