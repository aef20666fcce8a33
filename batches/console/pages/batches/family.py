"""The lineage of a batch, as its page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

from batches.models import Batch, load_counts
from batches.services.core.access import Access
from batches.services.retry.lineage import lineage


@dataclass(frozen=True, slots=True)
class AfterRetries:
    """The requests of an ended batch after the retries that have ended: how many succeeded, and how many did not."""

    succeeded: int
    total: int
    recovered: int
    unresolved: int


def family(batch: Batch, access: Access) -> list[Batch]:
    """All batches of the batch's lineage that the reader may see, the oldest first; none if it has no retries."""
    if batch.parent_id is None and not batch.children.exists():
        return []
    members = lineage(batch, among=access.batches().select_related("input_file"))
    load_counts(members)
    return members


def after_retries(batch: Batch, members: Sequence[Batch]) -> dict[str, object]:
    """The lineage, what its ended retries have recovered of the batch, and the retries of the batch that have not ended."""
    return {
        "family": members,
        "net": net_of(batch),
        "retrying": [member for member in members if member.parent_id == batch.pk and not member.is_terminal],
    }


def net_of(batch: Batch) -> AfterRetries | None:
    """The batch after its retries; None if these have recovered nothing."""
    net = batch.net_counts
    return AfterRetries(net.succeeded, net.total, batch.recovered, net.unsuccessful) if batch.recovered else None
