"""manage.py retention."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from batches.models import AuditEntry, Batch, LegalHold, Project
from tests.services.pruned import mixed
from tests.services.upkeep.conftest import long_ago

pytestmark = [pytest.mark.django_db, pytest.mark.once, pytest.mark.usefixtures("simulator")]


def retention(*words: str) -> list[list[str]]:
    out = StringIO()
    call_command("retention", *words, stdout=out)
    return [line.split("\t") for line in out.getvalue().splitlines()]


def test_terms_are_listed_with_their_source_and_set_in_days(project: Project) -> None:
    assert ["acme", "files", "30 days", "set by the portal (FILE_LIFETIME_SECONDS)"] in retention("list", "acme")
    assert ["acme", "bodies", "7 days", "set by this project, by command"] in retention("set", "acme", "--bodies", "7")
    assert ["acme", "bodies", "kept", "set by the portal (BODIES_RETENTION_DAYS)"] in retention("set", "acme", "--bodies", "none")
    assert AuditEntry.objects.filter(act="set_retention").count() == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "acme"], "Nothing to set"),
        (["set", "acme", "--audit", "3"], "from 90 to"),
        (["set", "nobody", "--bodies", "3"], "There is no project 'nobody'. Known: acme."),
        (["set", "acme", "--bodies", "week"], "'week' is neither a number of days nor none"),
        (["hold", "acme", "--batch", "batch_x", "--reason", "r"], "has no batch 'batch_x'"),
        (["hold", "acme", "--reason", " "], "Give a reason"),
        (["release", "x", "--reason", "r"], "There is no legal hold 'x'"),
    ],
)
def test_what_cannot_be_done_says_why(project: Project, words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        retention(*words)


def test_a_hold_keeps_what_is_overdue_and_says_so_until_it_is_released(project: Project, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 30
    batch = mixed(project, settings)
    long_ago(batch, 40)
    [[hold, said]] = retention("hold", "acme", "--batch", str(batch), "--reason", "A lawsuit.")
    assert said == f"{batch} is under legal hold."
    retention("prune")
    assert Batch.objects.exists()
    assert [row[1:4] for row in retention("overdue")] == [
        ["batches", "1", f"{'B' + str(batch)[1:]} is under legal hold: A lawsuit."]
    ]
    retention("release", hold, "--reason", "It is settled.")
    assert retention("holds")[0][3].startswith("released")
    retention("prune")
    assert not Batch.objects.exists()
    assert retention("overdue") == []
    assert LegalHold.objects.get().batch_id == batch.pk


def test_the_use_of_the_storage_is_told_by_kind(project: Project, settings: Settings) -> None:
    batch = mixed(project, settings)
    assert batch.input_file is not None
    assert ["acme", "inputs of batches", "1 files", f"{batch.input_file.bytes} bytes"] in retention("use")
