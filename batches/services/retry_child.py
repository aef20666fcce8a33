"""retry_child: a new batch over what did not succeed in one that has ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from batches.actors import Actor
from batches.errors import Conflict, Gone, InProgress, LostRace
from batches.jsonl import unbroken
from batches.models import ApiKey, Batch, BatchObject, File, IdempotencyRecord, OnInvalid, Purpose, Slice
from batches.models.batch import Dialect
from batches.queries.lineage import lineage
from batches.queries.results import slice_lines
from batches.services.amend import amend
from batches.services.extras import kept_extras
from batches.services.guard import GUARDS
from batches.services.inline import gathered
from batches.services.selection import Chosen, Selection, chosen
from batches.services.store import keep, undone_on_error, write
from batches.services.submit import submit
from batches.states import OPEN, SETTLED, Act, BatchStatus, ObjectStatus

UNSUCCESSFUL = SETTLED - {ObjectStatus.SUCCEEDED}
FILENAME = "requests.jsonl"


class NothingToRetry(Conflict):
    """None of the selected objects has failed."""

    code = "nothing_to_retry"


class AlreadyRetried(NothingToRetry):
    """What was selected has succeeded in another batch of this lineage, or is taken up by one that has not ended."""

    code = "already_retried"


@dataclass(frozen=True, slots=True)
class TakenUp:
    """The custom_ids that other batches of a lineage have: those that succeeded, and the others of batches that are open."""

    succeeded: set[str] = field(default_factory=set)
    unfinished: set[str] = field(default_factory=set)

    def __contains__(self, custom_id: str) -> bool:
        return custom_id in self.succeeded or custom_id in self.unfinished


def taken_up(batch: Batch, members: Sequence[Batch]) -> TakenUp:
    """What the others of its lineage have of a batch."""
    others = [member.pk for member in members if member.pk != batch.pk]
    found = TakenUp()
    if not others:
        return found
    unfinished = {member.pk for member in members if member.status in OPEN} - {batch.pk}
    # Also what has failed in one that is open: it may be retried there at any moment.
    objects = BatchObject.objects.filter(Q(batch__in=unfinished) | Q(batch__in=others, status=ObjectStatus.SUCCEEDED))
    for custom_id, status in objects.order_by().values_list("custom_id", "status"):
        (found.succeeded if status == ObjectStatus.SUCCEEDED else found.unfinished).add(custom_id)
    found.unfinished.difference_update(found.succeeded)
    return found


class _Gathering:
    """The request lines of a child batch; once they were read, how many were `found` and `taken`."""

    def __init__(
        self, batch: Batch, selection: Selection, members: Sequence[Batch], replaced: Mapping[int, bytes] | None = None
    ) -> None:
        self.found = self.taken = 0
        self._batch, self._selection = batch, selection
        self._elsewhere, self._replaced = taken_up(batch, members), replaced or {}

    def lines(self) -> Iterator[bytes]:
        """As in the parent's input but for those replaced, a slice at a time. Raises Gone."""
        pieces = Slice.objects.filter(batch=self._batch).filter(Q(failed__gt=0) | Q(cancelled__gt=0) | Q(expired__gt=0))
        for piece in pieces.order_by("first_line"):
            if not self._selection.touches(piece.first_line, piece.last_line):
                continue
            if wanted := self._wanted(piece):
                requests = slice_lines(self._batch, piece)
                for item in wanted:
                    yield unbroken(self._replaced.get(item.line, requests[item.line])) + b"\n"

    @property
    def skipped(self) -> int:
        """How many of the selected objects are left out."""
        lines = self._selection.lines
        return (self.found if lines is None else len(lines)) - self.taken

    def _wanted(self, piece: Slice) -> list[Chosen]:
        first, last = piece.first_line, piece.last_line
        found = chosen(self._batch, self._selection, first_line=first, last_line=last, statuses=UNSUCCESSFUL)
        taken = [item for item in found if item.custom_id not in self._elsewhere]
        self.found += len(found)
        self.taken += len(taken)
        return taken


def submit_child(
    batch: Batch,
    *,
    selection: Selection,
    actor: Actor,
    now: datetime,
    reason: str = "",
    provider_name: str | None = None,
    key: ApiKey | None = None,
    reservation: IdempotencyRecord | None = None,
    version: int | None = None,
    replaced: Mapping[int, bytes] | None = None,
) -> tuple[Batch, int]:
    """Submit what did not succeed in an ended batch as a batch of its own, and tell how many objects were left out.

    It is like its parent in all but its input, whose lines are the parent's, or those that `replaced` has for their
    numbers; see `retry` for what is left out and what is raised.
    """
    members = retriable_lineage(batch, now=now)
    gathering = _Gathering(batch, selection, members, replaced)
    with gathered(gathering.lines()) as content:
        if not gathering.taken:
            raise AlreadyRetried if gathering.found else NothingToRetry
        file = write(content, project=batch.project, purpose=Purpose.BATCH, filename=FILENAME, now=now, key=key)
    with undone_on_error(file), transaction.atomic():
        _require_unchanged(members)
        keep(file)
        child = submit(
            batch.project,
            dialect=Dialect(batch.dialect),
            endpoint=batch.endpoint,
            input_file=file,
            completion_window=batch.completion_window,
            window=batch.expires_at - batch.created_at,
            actor=actor,
            now=now,
            key=key,
            metadata=batch.metadata,
            output_lifetime=timedelta(seconds=batch.output_lifetime_seconds) if batch.output_lifetime_seconds else None,
            provider_name=provider_name or batch.provider.name,
            remark=f"Retry of {batch}{': ' if batch.remark else ''}{batch.remark}"[:500],
            priority=batch.priority,
            operation_name=batch.operation_name,
            extras=kept_extras(batch),
            requests=gathering.taken,
            model=batch.default_model,
            on_invalid=OnInvalid(batch.on_invalid),
            guards={name: getattr(batch, name) for name in GUARDS},
            reservation=reservation,
        )
        Batch.objects.filter(pk=child.pk).update(parent=batch)
        count = f"{gathering.taken} object{'' if gathering.taken == 1 else 's'} in {child}."
        note = " ".join(filter(None, (count, reason)))
        amend(batch, Act.RETRIED, actor=actor, now=now, note=note, expecting=as_of(version))
    child.refresh_from_db()
    return child, gathering.skipped


def retriable_lineage(batch: Batch, *, now: datetime) -> list[Batch]:
    """The lineage of a batch that can be retried as a child. Raises Gone, and InProgress while one of it is validated."""
    _require_input(batch, now=now)
    members = lineage(batch)
    if any(member.status == BatchStatus.VALIDATING for member in members):
        raise InProgress("A retry of this batch is being validated; repeat the call in a moment.")
    return members


def as_of(version: int | None) -> dict[str, object]:
    """What `amend` is to expect of a batch that must be as it was in this version, if one is given."""
    return {} if version is None else {"version": version}


def _require_input(batch: Batch, *, now: datetime) -> None:
    """Raise Gone when a client has deleted the input, or its time is over, whether or not its bytes are still there."""
    if batch.input_file_id is None or not File.objects.readable(now=now).filter(pk=batch.input_file_id).exists():
        raise Gone("The input file is no longer kept, so that its requests cannot be sent again.", param="input_file_id")


def _require_unchanged(members: Sequence[Batch]) -> None:
    """Lock the lineage until the transaction ends. Raises LostRace when it has grown since its members were read."""
    Batch.objects.select_for_update(no_key=True).get(pk=members[0].pk)
    if {member.pk for member in lineage(members[0])} != {member.pk for member in members}:
        raise LostRace("Another retry of this batch was made meanwhile; read it again.")
