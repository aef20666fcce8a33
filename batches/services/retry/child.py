"""retry_child: a new batch over the objects of an ended batch that did not succeed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from batches.models import ApiKey, Batch, BatchObject, File, Purpose, Slice
from batches.rules.actors import Actor
from batches.rules.display.counted import counted
from batches.rules.errors import Conflict, Gone, InProgress, LostRace
from batches.rules.execution import Execution
from batches.rules.lines.jsonl import unbroken
from batches.rules.states import OPEN, SETTLED, Act, BatchStatus, ObjectStatus
from batches.services.core.amend import amend
from batches.services.intake.inline import FILENAME, spooled
from batches.services.intake.submission import submission_of
from batches.services.intake.submit import submit
from batches.services.policy.execution import obstacle
from batches.services.results.results import slice_lines
from batches.services.retry.lineage import lineage
from batches.services.retry.naming import EDITED, adjective, child_remark
from batches.services.retry.order import RetryOrder
from batches.services.retry.selection import Chosen, Selection, chosen
from batches.services.storage.store import keep, take_back, write
from providers.models import Provider

UNSUCCESSFUL = SETTLED - {ObjectStatus.SUCCEEDED}
NAMES_A_QUERY = 500


class NothingToRetry(Conflict):
    """None of the selected objects has failed."""

    code = "nothing_to_retry"


class AlreadyRetried(NothingToRetry):
    """What was selected has succeeded in another batch of this lineage, or is taken up by one that has not ended."""

    code = "already_retried"


@dataclass(frozen=True, slots=True)
class TakenUp:
    """The custom_ids that other batches of a lineage have taken up: `succeeded` there, or `unfinished` in an open batch."""

    succeeded: frozenset[str] = frozenset()
    unfinished: frozenset[str] = frozenset()

    def __contains__(self, custom_id: str) -> bool:
        return custom_id in self.succeeded or custom_id in self.unfinished


class Elsewhere:
    """The other batches of a lineage. They are asked about some objects at a time: all of them may not fit into memory."""

    def __init__(self, batch: Batch, members: Sequence[Batch]) -> None:
        others = [member for member in members if member.pk != batch.pk]
        self.others = {member.pk for member in others}
        self._unfinished = {member.pk for member in others if member.status in OPEN}

    def taken_up(self, items: Iterable[Chosen]) -> TakenUp:
        """Which of these objects the other batches have taken up."""
        names = [item.custom_id for item in items] if self.others else []
        succeeded: set[str] = set()
        unfinished: set[str] = set()
        for start in range(0, len(names), NAMES_A_QUERY):
            # A failed object of an open batch counts as taken up, because it may be retried there at any moment.
            relevant = Q(batch__in=self._unfinished) | Q(batch__in=self.others, status=ObjectStatus.SUCCEEDED)
            objects = BatchObject.objects.filter(relevant, custom_id__in=names[start : start + NAMES_A_QUERY])
            for custom_id, status in objects.order_by().values_list("custom_id", "status"):
                (succeeded if status == ObjectStatus.SUCCEEDED else unfinished).add(custom_id)
        return TakenUp(frozenset(succeeded), frozenset(unfinished - succeeded))


class _Gathering:
    """The request lines of a child batch. `found` and `taken` count them, and are complete once all lines were read.

    `adjectives` are the words for the requests that were taken.
    """

    def __init__(
        self, batch: Batch, selection: Selection, members: Sequence[Batch], replaced: Mapping[int, bytes] | None = None
    ) -> None:
        self.found = self.taken = 0
        self.adjectives = {EDITED} if replaced else set[str]()
        self._batch, self._selection = batch, selection
        self._elsewhere, self._replaced = Elsewhere(batch, members), replaced or {}

    def lines(self) -> Iterator[bytes]:
        """The lines as they are in the parent's input, apart from the replaced ones, slice by slice. Raises Gone."""
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
        taken_up = self._elsewhere.taken_up(found)
        taken = [item for item in found if item.custom_id not in taken_up]
        self.found += len(found)
        self.taken += len(taken)
        if not self._replaced:
            self.adjectives |= {adjective(*reason) for reason in {(item.status, item.kind) for item in taken}}
        return taken


@dataclass(frozen=True, slots=True)
class ChildInput:
    """The input of a child batch. It is in the file storage, and its row is not saved yet."""

    file: File
    members: Sequence[Batch]  # the lineage as it was when the input was written
    taken: int  # how many objects it has
    skipped: int  # how many selected objects it leaves out
    remark: str  # the name of the child batch


@contextmanager
def child_input(
    batch: Batch,
    *,
    selection: Selection,
    now: datetime,
    key: ApiKey | None = None,
    replaced: Mapping[int, bytes] | None = None,
) -> Iterator[ChildInput]:
    """Write the input of a child batch, before any transaction. At the end its bytes are deleted unless a batch has the file."""
    members = retriable_lineage(batch, now=now)
    gathering = _Gathering(batch, selection, members, replaced)
    with spooled(gathering.lines()) as content:
        if not gathering.taken:
            raise AlreadyRetried if gathering.found else NothingToRetry
        file = write(content, project=batch.project, purpose=Purpose.BATCH, filename=FILENAME, now=now, key=key)
    try:
        adjectives, number = gathering.adjectives, len(members)
        remark = child_remark(members[0], number=number, requests=gathering.taken, adjectives=adjectives)
        yield ChildInput(file, members, gathering.taken, gathering.skipped, remark)
    finally:
        take_back(file)


@transaction.atomic
def submit_child(batch: Batch, requests: ChildInput, *, order: RetryOrder, actor: Actor, now: datetime) -> Batch:
    """Submit the unsuccessful objects of an ended batch as a child batch.

    The child differs from its parent only in its input and its name. `retry` describes which objects are left out, and the
    errors raised.
    """
    _require_unchanged(requests.members)
    keep(requests.file)
    like = submission_of(batch)
    submission = replace(
        like,
        provider_name=order.provider_name or like.provider_name,
        execution=_execution(batch, like.execution, provider_name=order.provider_name),
        remark=requests.remark,
        requests=requests.taken,
    )
    child = submit(submission, input_file=requests.file, actor=actor, now=now, key=order.key, reservation=order.reservation)
    Batch.objects.filter(pk=child.pk).update(parent=batch)
    count = f"{counted(requests.taken, 'object')} in {child}."
    note = " ".join(filter(None, (count, order.reason)))
    amend(batch, Act.RETRIED, actor=actor, now=now, note=note, expecting=as_of(order.version))
    child.refresh_from_db()
    return child


def _execution(batch: Batch, wished: str, *, provider_name: str | None) -> str:
    """The wish of a child batch: that of its parent; `auto`, if it can be sent only directly there.

    A delegated batch that stays at its provider is refused then, because nobody asked for the price of direct calls.
    """
    provider = batch.provider if provider_name is None else Provider.objects.filter(name=provider_name).first()
    if not wished or provider is None or (provider_name is None and wished == Execution.DELEGATED):
        return wished
    return Execution.AUTO if obstacle(provider, project=batch.project, endpoint=batch.endpoint) else wished


def retriable_lineage(batch: Batch, *, now: datetime) -> list[Batch]:
    """The lineage of a batch that can be retried as a child. Raises Gone, and InProgress while a member is validated."""
    _require_input(batch, now=now)
    members = lineage(batch)
    if any(member.status == BatchStatus.VALIDATING for member in members):
        raise InProgress("A retry of this batch is being validated; repeat the call in a moment.")
    return members


def as_of(version: int | None) -> dict[str, object]:
    """The `expecting` of `amend` for a batch that must still have this version; empty if no version is given."""
    return {} if version is None else {"version": version}


def _require_input(batch: Batch, *, now: datetime) -> None:
    """Raise Gone if a client has deleted the input or it has expired, even if its bytes still exist."""
    if batch.input_file_id is None or not File.objects.readable(now=now).filter(pk=batch.input_file_id).exists():
        raise Gone("The input file is no longer kept, so that its requests cannot be sent again.", param="input_file_id")


def _require_unchanged(members: Sequence[Batch]) -> None:
    """Lock the lineage until the transaction ends. Raises LostRace if the lineage has grown since its members were read."""
    Batch.objects.select_for_update(no_key=True).get(pk=members[0].pk)
    if {member.pk for member in lineage(members[0])} != {member.pk for member in members}:
        raise LostRace("Another retry of this batch was made meanwhile; read it again.")
