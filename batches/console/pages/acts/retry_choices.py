"""The choices of a retry: which requests it may send, by the reason why they did not succeed, and whether that can help."""

from dataclasses import dataclass
from datetime import datetime

from batches.models import Batch
from batches.services.core.access import Readable
from batches.services.insight.groups_in_batch import GroupInBatch, error_groups
from batches.services.insight.withheld import unquoting_groups
from batches.services.retry.preview import choice
from batches.services.retry.prospects import Prospect
from batches.services.retry.selection import MOST_GROUPS, Selection


@dataclass(frozen=True, slots=True)
class GroupChoice:
    """An error group, how many of its requests a retry would send, and whether they are selected now."""

    group: GroupInBatch
    prospect: Prospect
    is_ticked: bool


def retry_choices(batch: Batch, selection: Selection, readable: Readable, *, now: datetime) -> dict[str, object]:
    """The context of the choices. Raises the errors of `retry`, except NothingToRetry."""
    groups = unquoting_groups(batch, error_groups(batch, most=MOST_GROUPS), readable)
    found = choice(batch, [group.fingerprint for group in groups], now=now)

    def is_selected(group: GroupInBatch, prospect: Prospect) -> bool:
        if selection.fingerprints:
            return group.fingerprint in selection.fingerprints
        return not (selection.worth_retrying and prospect.is_hopeless)

    pairs = [(group, found.groups[group.fingerprint]) for group in groups if group.fingerprint in found.groups]
    return {
        "outlook": found.outlook,
        "choices": [
            GroupChoice(group, prospect, prospect.retried > 0 and is_selected(group, prospect)) for group, prospect in pairs
        ],
        "unexplained": [prospect for prospect in found.outlook.prospects if not prospect.kind],
    }
