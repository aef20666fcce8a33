"""An erased custom_id is found nowhere afterwards: not in the database, the storage, exports or logs."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import (
    AuditEntry,
    Batch,
    BatchError,
    BatchObject,
    BulkItem,
    BulkOperation,
    Erasure,
    ErrorGroup,
    File,
    Project,
)
from batches.rules.errors import InvalidRequest
from batches.rules.states import Act, BatchStatus, ObjectStatus
from batches.services.consistency.verify import disagreements
from batches.services.core.audit import record_act
from batches.services.core.transition import record
from batches.services.erasure.erase import NotErasable, ask, run
from batches.services.erasure.preview import preview
from batches.services.erasure.subject import Subject
from batches.services.lifecycle.validate import validate
from batches.services.results.results import results
from batches.services.retention.holds import place_hold
from batches.services.retry.child import child_input
from batches.services.retry.selection import Selection
from tests.cast import TESTER, request_line, request_lines, started, stored, submitted
from tests.services.erasure.conftest import Look
from tests.services.pruned import mixed, prune_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

PREFIX = "patient-ünï"
REASON = "A request by letter."
# Lines of a mixed batch, by what came of them.
LINES = {"succeeded": 7, "refused": 8, "unanswered": 6, "cancelled": 9}


def custom_id(text: str) -> Subject:
    return Subject.of(Erasure.Kind.CUSTOM_ID, text)


def erased(project: Project, subject: Subject) -> Erasure:
    """The receipt of an erasure that was carried out at once."""
    erasure = ask(project, subject, reason=REASON, actor=TESTER, now=timezone.now())
    done = run(erasure.pk, now=timezone.now())
    assert done is not None
    assert done.ended_at is not None
    return done


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    return mixed(project, settings, prefix=PREFIX)


def mention(batch: Batch, text: str) -> None:
    """Let everything that can quote a request quote this one."""
    now = timezone.now()
    record(batch, origin=BatchStatus(batch.status), actor=TESTER, now=now, note=f"Request {text} was edited.", act=Act.RETRIED)
    record_act("revoke_key", actor=TESTER, now=now, target=batch, project=batch.project, reason=f"Because of '{text}'.")
    record_act("set_quotas", actor=TESTER, now=now, project=batch.project, changes={"name": [text, f"{text}!"]})
    BatchError.objects.filter(batch=batch, line=LINES["refused"]).update(message=f"{text} is wrong")
    ErrorGroup.objects.update(sample=f"{text} is wrong", note=f"see “{text}”")
    Batch.objects.filter(pk=batch.pk).update(remark=f"Without {text}", metadata={"about": text, text: "x"})
    File.objects.filter(input_of=batch).update(filename=f"{text}.jsonl")
    operation = BulkOperation.objects.create(
        actor="x", source="console", act="cancel", query=f"custom_id={text}", reason=text, created_before=now, created_at=now
    )
    BulkItem.objects.create(operation=operation, batch=batch, note=f"{text}: done")
    stored(batch.project, request_lines(2, prefix="other") + request_line(text))


@pytest.mark.parametrize("pruned", [False, True], ids=["rows", "files"])
@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_an_erased_custom_id_is_found_nowhere(project: Project, batch: Batch, where: Look, line: int, pruned: bool) -> None:
    who = f"{PREFIX}-{line}"
    mention(batch, who)
    if pruned:
        batch = prune_rows(batch)
    before = list(results(batch))
    assert {place.split()[0] for place in where(who)} == {"table", "file", "export"}
    offsets = list(batch.slices.values_list("input_start", "input_end", "output_start", "output_end", "error_start", "error_end"))

    receipt = erased(project, custom_id(who))

    assert where(who) == []
    assert receipt.is_of(who)
    assert receipt.left == []
    assert receipt.batches == [str(batch.pk)]
    assert list(disagreements(Batch.objects.all(), now=timezone.now())) == []
    batch.refresh_from_db()
    assert offsets == list(
        batch.slices.values_list("input_start", "input_end", "output_start", "output_end", "error_start", "error_end")
    )
    after = list(results(batch))
    assert [row.status for row in after] == [row.status for row in before], "what came of it still counts"
    others = [(row.line, row.custom_id, row.body, row.error_code) for row in before if row.line != line]
    assert [(row.line, row.custom_id, row.body, row.error_code) for row in after if row.line != line] == others
    assert after[line - 1].custom_id == ""


def test_acts_that_name_it_stay_and_lose_the_value(project: Project, batch: Batch) -> None:
    who = f"{PREFIX}-7"
    mention(batch, who)
    erased(project, custom_id(who))
    assert AuditEntry.objects.get(act="revoke_key").reason == "Because of '[erased]'."
    assert AuditEntry.objects.get(act="set_quotas").changes == {"name": ["[erased]", "[erased]!"]}
    assert batch.events.get(act=Act.RETRIED).note == "Request [erased] was edited."


def test_the_receipt_says_what_was_erased_by_whom_and_not_the_value(project: Project, batch: Batch) -> None:
    receipt = erased(project, custom_id(f"{PREFIX}-7"))
    assert receipt.erased == {"lines of inputs": 1, "lines of result files": 1, "requests": 1, "results": 1}
    assert (receipt.asked_by, receipt.reason, receipt.sealed) == ("tester", REASON, b"")
    assert not receipt.is_of(f"{PREFIX}-8")
    acts = AuditEntry.objects.filter(target_id=str(receipt.pk)).order_by("created_at", "id")
    assert list(acts.values_list("act", flat=True)) == ["erase", "complete_erasure"]


def test_other_names_that_begin_alike_and_other_projects_stay(
    project: Project, other_project: Project, settings: Settings, where: Look
) -> None:
    own, other = mixed(project, settings), mixed(other_project, settings)
    erased(project, custom_id("row-1"))
    assert BatchObject.objects.filter(batch=own, custom_id="row-10").exists()
    assert not BatchObject.objects.filter(batch=own, custom_id="row-1").exists()
    assert [row.custom_id for row in results(other)][:2] == ["row-1", "row-2"]
    assert "row-10" in "".join(row.custom_id for row in results(own))


def test_a_file_that_no_batch_has_laid_out_is_searched_too(project: Project, where: Look) -> None:
    failed = started(project, request_line("twice-in-here") * 2)
    assert failed.status == BatchStatus.FAILED
    broken = stored(project, b'{"custom_id": "twice-in-here", \n' + request_line("other"))
    assert where("twice-in-here")
    receipt = erased(project, custom_id("twice-in-here"))
    assert where("twice-in-here") == []
    assert receipt.erased["lines of inputs"] == 3
    broken.refresh_from_db()
    with broken.content.open("rb") as content:
        assert content.read().strip() == request_line("other").strip()


def test_an_erased_failure_is_not_sent_again(project: Project, batch: Batch) -> None:
    erased(project, custom_id(f"{PREFIX}-8"))
    failed = BatchObject.objects.filter(batch=batch).exclude(status=ObjectStatus.SUCCEEDED).count()
    with child_input(batch, selection=Selection(), now=timezone.now()) as child:
        assert child.taken == failed - 1


def test_a_running_batch_is_refused_by_name(project: Project) -> None:
    running = submitted(project, request_lines(3, prefix="running"))
    assert preview(project, custom_id("running-1")).obstacles == []
    validate(running.pk, now=timezone.now())
    assert str(running) in preview(project, custom_id("running-1")).obstacles[0]
    with pytest.raises(NotErasable, match=f"Not ended: {running}"):
        ask(project, custom_id("running-1"), reason=REASON, actor=TESTER, now=timezone.now())
    assert not Erasure.objects.exists()


def test_an_input_that_an_open_batch_reads_stays_and_is_told_of(project: Project) -> None:
    waiting = submitted(project, request_lines(3, prefix="waiting"))
    receipt = erased(project, custom_id("waiting-1"))
    assert receipt.left == [f"{waiting.input_file} is read by {waiting}, which has not ended: erase again after its end."]
    assert receipt.erased == {}


def test_what_is_under_hold_is_not_erased(project: Project, batch: Batch) -> None:
    place_hold(project, batch=batch, reason="A lawsuit.", actor=TESTER, now=timezone.now())
    with pytest.raises(NotErasable, match="is under legal hold: A lawsuit"):
        ask(project, custom_id(f"{PREFIX}-7"), reason=REASON, actor=TESTER, now=timezone.now())


def test_a_reason_may_not_name_the_value(project: Project) -> None:
    with pytest.raises(InvalidRequest, match="may not name"):
        ask(project, custom_id("patient-1"), reason="For patient-1.", actor=TESTER, now=timezone.now())
    with pytest.raises(InvalidRequest, match="Give a reason"):
        ask(project, custom_id("patient-1"), reason=" ", actor=TESTER, now=timezone.now())


def test_the_preview_counts_and_touches_nothing(project: Project, batch: Batch, where: Look) -> None:
    who = f"{PREFIX}-7"
    before = where(who)
    found = preview(project, custom_id(who))
    assert (found.requests, found.results, found.batch_count, found.files) == (1, 1, 1, 3)
    assert found.bytes == sum(File.objects.values_list("bytes", flat=True))
    assert where(who) == before


def test_the_batches_of_a_metadata_pair_lose_everything_but_their_counts(
    project: Project, settings: Settings, where: Look
) -> None:
    mine, other = mixed(project, settings, prefix="mine"), mixed(project, settings, prefix="other")
    Batch.objects.filter(pk=mine.pk).update(metadata={"customer": "jane@example.org", "team": "ops"})
    subject = Subject.of(Erasure.Kind.METADATA, "customer=jane@example.org")
    assert (preview(project, subject).requests, preview(project, subject).files) == (10, 3)

    receipt = erased(project, subject)

    assert where("jane@example.org") == where("mine-") == []
    mine.refresh_from_db()
    assert mine.metadata == {"team": "ops"}
    assert mine.counts.total == 10
    assert mine.archived_at is not None
    assert receipt.erased["files"] == 3
    assert receipt.erased["requests"] == 10
    assert len(list(results(other))) == 10
    assert list(disagreements(Batch.objects.all(), now=timezone.now())) == []


def test_an_input_that_other_batches_read_stays_and_is_told_of(project: Project, settings: Settings) -> None:
    mine, other = mixed(project, settings), mixed(project, settings)
    Batch.objects.filter(pk=mine.pk).update(metadata={"customer": "jane"})
    Batch.objects.filter(pk=other.pk).update(input_file=mine.input_file)
    receipt = erased(project, Subject.of(Erasure.Kind.METADATA, "customer=jane"))
    assert receipt.left == [f"{mine.input_file} is also the input of {other}, which does not have the pair."]
    assert receipt.erased["files"] == 2
    assert File.objects.get(input_of=mine).purged_at is None
