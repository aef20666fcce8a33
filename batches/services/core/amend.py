"""amend: change columns of a batch besides its status, and record the act in its timeline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from batches.models import Batch, Event
from batches.rules.actors import Actor
from batches.rules.errors import Conflict, LostRace
from batches.rules.states import Act, BatchStatus
from batches.services.core.transition import record

# The statuses in which requests are, or will be, left to send.
RUNNABLE = frozenset({BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS})


class NotRunning(Conflict):
    """The batch is over, or being wound up: there is nothing left to send."""

    code = "not_running"


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of an act: column `changes`, the values that columns are `expected` to have until then, and a note."""

    changes: Mapping[str, object]
    expected: Mapping[str, object]
    note: str = ""


def require_runnable(batch: Batch, *, act: Act) -> None:
    """Raise NotRunning, naming the status, unless the batch runs or will run."""
    if batch.status not in RUNNABLE:
        raise NotRunning(f"A batch with status '{batch.status}' cannot be {act}.")


def amend_running(batch: Batch, act: Act, change: Callable[[], Change | None], *, actor: Actor, now: datetime) -> bool:
    """Do an act to a batch that runs or will run. Return whether it changed anything.

    `change` looks at the batch and returns the change to write, or None if nothing is to change. It is called again if another
    writer was faster. Raises NotRunning, and the errors of `change`.
    """
    while True:
        require_runnable(batch, act=act)
        wanted = change()
        if wanted is None:
            return False
        try:
            amend(batch, act, actor=actor, now=now, note=wanted.note, expecting=wanted.expected, **wanted.changes)
        except LostRace:
            batch.refresh_from_db()
        else:
            return True


@transaction.atomic
def amend(
    batch: Batch,
    act: Act,
    *,
    actor: Actor,
    now: datetime,
    note: str = "",
    expecting: Mapping[str, object] | None = None,
    **changes: object,
) -> Event:
    """Write column `changes` and the event of an act, and refresh `batch`.

    The write is a compare-and-set on the status that `batch` was read with, and on the columns in `expecting`. If another
    writer changed one of them meanwhile, LostRace is raised and nothing is written.
    """
    unchanged = Batch.objects.filter(pk=batch.pk, status=batch.status, **(expecting or {}))
    if not unchanged.update(version=F("version") + 1, updated_at=now, **changes):
        raise LostRace
    batch.refresh_from_db()
    batch.forget_counts()
    return record(batch, origin=BatchStatus(batch.status), actor=actor, now=now, note=note, act=act)
