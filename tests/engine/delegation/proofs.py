"""What must hold after every fault: counts, outcomes, payments, and what the portal says about itself."""

from collections import Counter

from django.utils import timezone

from batches.models import Batch, BatchObject, ProviderJob, ProviderJobIncident
from batches.rules.states import ObjectStatus
from batches.services.consistency.verify import disagreements
from tests.cast import assert_counts_are_true, error_lines, output_lines
from tests.engine.delegation.conftest import Stage

SECRET = "0123456789"


def assert_whole(stage: Stage, batch: Batch, *, rows: int) -> None:
    """Assert that each line of an ended batch has one outcome, that everything agrees, and that all that was paid for is here."""
    assert_counts_are_true(batch)
    found = Counter(line["custom_id"] for line in [*output_lines(batch), *error_lines(batch)])
    assert found == Counter(f"row-{number}" for number in range(rows))
    assert [str(each) for each in disagreements(Batch.objects.all(), now=timezone.now())] == []
    assert_nobody_was_told(stage)


def assert_paid_rows_are_here(stage: Stage, batch: Batch) -> None:
    """Assert that every row that the provider bills was recorded: as a success, or as one that was paid in vain."""
    billed = sum(job.is_billed(stage.apis.world.now) for job in stage.apis.jobs)
    jobs = ProviderJob.objects.filter(batch=batch)
    succeeded = BatchObject.objects.filter(batch=batch, status=ObjectStatus.SUCCEEDED).count()
    assert succeeded + sum(job.duplicates + job.late for job in jobs) >= billed


def assert_nobody_was_told(stage: Stage) -> None:
    """Assert that no foreign host saw a credential."""
    for headers in stage.apis.storage_headers:
        assert not {"authorization", "x-api-key", "api-key"} & headers.keys()
        assert not any(SECRET in value for value in headers.values())


def incidents(batch: Batch) -> dict[str, str]:
    """The notes of the incidents at the jobs of a batch, resolved ones too, by code."""
    return dict(ProviderJobIncident.objects.filter(job__batch=batch).order_by("opened_at").values_list("code", "note"))
