"""The lineage of a batch, as its page shows it."""

from batches.models import Batch, load_counts
from batches.services.core.access import Access
from batches.services.retry.lineage import lineage


def family(batch: Batch, access: Access) -> list[Batch]:
    """All batches of the batch's lineage that the reader may see, the oldest first; none if it has no retries."""
    if batch.parent_id is None and not batch.children.exists():
        return []
    members = lineage(batch, among=access.batches().select_related("input_file"))
    load_counts(members)
    return members
