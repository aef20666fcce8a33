"""manage.py verify, and its former name."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.utils import timezone
from uuid_utils.compat import uuid7

from batches.models import Batch, BatchError, BatchMinute, BatchObject, Event, File, Project, Slice, UploadPart
from batches.models.file import storage_name
from batches.models.upload import part_storage_name
from providers.models import Provider
from tests.cast import request_lines, started

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def batch(project: Project, simulator: Provider) -> Batch:
    """Two objects, of which one is counted wrongly."""
    batch = started(project, request_lines(2))
    Slice.objects.filter(batch=batch).update(pending=1, failed=1)
    return batch


def output_of(*arguments: str) -> str:
    output = StringIO()
    call_command("verify", *arguments, stdout=output)
    return output.getvalue()


def complaints(*arguments: str) -> str:
    """What it says before it exits with 1."""
    output = StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("verify", *arguments, stdout=output)
    assert refused.value.returncode == 1
    return output.getvalue()


def test_a_portal_that_agrees_with_itself_is_said_to(project: Project, simulator: Provider) -> None:
    started(project, request_lines(2))
    assert output_of("--check") == output_of("--repair") == "Everything agrees.\n"
    assert output_of("--check", "--json") == ""


def test_a_check_prints_what_disagrees_and_changes_nothing(batch: Batch) -> None:
    said = "slice_counts: {}: lines 1 to 2: pending is 1 and ought to be 2, failed is 1 and ought to be 0.\n"
    assert complaints("--check") == complaints("--check") == said.format(batch)
    assert not Event.objects.filter(act="repaired").exists()


def test_a_repair_says_what_it_did_and_leaves_an_event(batch: Batch) -> None:
    assert output_of("--repair").splitlines()[0].endswith(" failed is 1 and ought to be 0. Counted lines 1 to 2 anew.")
    assert output_of("--check") == "Everything agrees.\n"
    event = Event.objects.get(act="repaired")
    assert (event.actor, event.source, event.from_status, event.to_status) == (
        "command verify",
        "command",
        "in_progress",
        "in_progress",
    )


def test_what_cannot_be_mended_is_said_and_fails_the_command(batch: Batch) -> None:
    BatchObject.objects.filter(line=1).delete()
    assert "Not mended. It has 1 of its 2 objects.\n" in complaints("--repair")


def test_programs_get_json(batch: Batch) -> None:
    found = json.loads(complaints("--check", "--json"))
    assert (found["check"], found["batch"]) == ("slice_counts", str(batch))
    mended = json.loads(output_of("--repair", "--json"))
    assert mended["done"] == "Counted lines 1 to 2 anew."


def test_one_batch_is_looked_at_alone(batch: Batch, project: Project) -> None:
    other = started(project, request_lines(1))
    assert output_of("--check", "--batch", str(other)) == "Everything agrees.\n"
    assert str(batch) in complaints("--check", "--batch", batch.pk.hex)
    for unknown in ("batch_" + "0" * 32, "nonsense"):
        with pytest.raises(CommandError, match="There is no batch"):
            output_of("--check", "--batch", unknown)


def test_old_batches_can_be_left_out(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(created_at=timezone.now() - timedelta(days=2))
    yesterday = timezone.now() - timedelta(days=1)
    assert output_of("--check", "--since", yesterday.date().isoformat()) == "Everything agrees.\n"
    complaints("--check", "--since", (yesterday - timedelta(days=2)).isoformat())
    with pytest.raises(CommandError, match="is not a time"):
        output_of("--check", "--since", "yesterday")


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (BatchObject, {"line": 1, "custom_id": "a"}),
        (BatchMinute, {"minute": NOW}),
        (BatchError, {"code": "a", "message": "a", "fingerprint": "a", "created_at": NOW}),
    ],
)
def test_rows_of_a_batch_that_is_gone_are_deleted(
    model: type[Model], fields: dict[str, Any], project: Project, simulator: Provider
) -> None:
    kept, gone = started(project, request_lines(1)), uuid7()
    model._default_manager.create(batch_id=gone, **fields)
    assert complaints("--check") == f"orphan_rows: {model._meta.verbose_name_plural} of batch {gone}, which is gone.\n"
    assert "Deleted 1." in output_of("--repair")
    assert output_of("--check") == "Everything agrees.\n"
    assert BatchObject.objects.filter(batch=kept).count() == 1


def file_name(project: Project, id: uuid.UUID) -> str:
    return storage_name(File(id=id, project=project), "")


def part_name(project: Project, id: uuid.UUID) -> str:
    return part_storage_name(UploadPart(id=id, upload_id=uuid7()), "")


def id_made(*, hours_ago: int) -> uuid.UUID:
    moment = timezone.now() - timedelta(hours=hours_ago)
    return uuid7(nanoseconds=int(moment.timestamp() * 1e9))


@pytest.mark.parametrize("name", [file_name, part_name])
def test_old_bytes_of_no_file_are_deleted_by_a_repair(
    name: Callable[[Project, uuid.UUID], str], project: Project, simulator: Provider
) -> None:
    started(project, request_lines(1))
    abandoned, recent, young = (
        default_storage.save(name(project, id_made(hours_ago=hours)), ContentFile(b"?")) for hours in (25, 2, 0)
    )
    assert output_of("--check") == output_of("--repair") == "Everything agrees.\n"
    told_of = complaints("--check", "--orphans").splitlines()
    assert sorted(told_of) == sorted(f"orphan_files: nothing refers to {name}." for name in (abandoned, recent))

    told_of = complaints("--repair", "--orphans").splitlines()
    assert f"orphan_files: nothing refers to {abandoned}. Deleted." in told_of
    assert [default_storage.exists(name) for name in (abandoned, recent, young)] == [False, True, True]
    default_storage.delete(recent)
    assert output_of("--check", "--orphans") == "Everything agrees.\n"


def test_bytes_that_the_portal_did_not_write_are_listed_and_left(project: Project, simulator: Provider) -> None:
    started(project, request_lines(1))
    foreign = default_storage.save("somebody/else", ContentFile(b"?"))
    assert complaints("--repair", "--orphans").startswith("orphan_files: nothing refers to somebody/else. Not mended. Only what")
    assert default_storage.exists(foreign)


def test_what_is_checked_can_be_listed(db: None) -> None:
    listed = output_of("--list")
    assert "slice_counts: The counts, tokens and cost of a slice are those of its objects.\n" in listed
    assert "unknown_adapter: Open batches are at providers that this version can speak to. (cannot be mended)\n" in listed


def test_the_former_name_does_the_same_and_says_that_it_goes(batch: Batch) -> None:
    output, warning = StringIO(), StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("reconcile", "--check", stdout=output, stderr=warning)
    assert refused.value.returncode == 1
    assert output.getvalue() == complaints("--check")
    assert "now called `manage.py verify`" in warning.getvalue()
