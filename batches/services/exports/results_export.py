"""The export of results: all of a batch or of its lineage, only the successes or the failures, or those of one error group."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from batches.models import Batch, BatchError
from batches.models.batch import BatchQuerySet
from batches.rules import identifiers
from batches.rules.display.csv_lines import csv_lines
from batches.rules.states import ObjectStatus
from batches.services.exports.form import Compression, Export, Form, exported
from batches.services.exports.result_records import ANSWER, Outcome, fields, line_of, records
from batches.services.results.results import results
from batches.services.retry.lineage import lineage, merged_results

PIECE = 500  # the most outcomes that are looked up together
PIECE_CHARS = 4 * 1024**2  # the most characters of their answers, unless one answer alone is longer


class Outcomes(StrEnum):
    """The requests that an export has. A request without success failed, expired or was cancelled."""

    ALL = "all"
    SUCCEEDED = "succeeded"
    UNSUCCESSFUL = "unsuccessful"


class Scope(StrEnum):
    """A batch alone, or its lineage: each request of the first batch once, with its best outcome over all retries."""

    BATCH = "batch"
    LINEAGE = "lineage"


@dataclass(frozen=True, slots=True)
class ResultChoice:
    """What to export, and how. `error` is the fingerprint of an error group, or empty."""

    outcome: Outcomes = Outcomes.ALL
    error: str = ""
    scope: Scope = Scope.BATCH
    form: Form = Form.JSONL
    compression: Compression = Compression.NONE


_NAMES = {Outcomes.ALL: "results", Outcomes.SUCCEEDED: "successes", Outcomes.UNSUCCESSFUL: "failures"}
# The status that is not even read, because no request with it is in the export.
_UNREAD = {Outcomes.ALL: "", Outcomes.SUCCEEDED: ObjectStatus.FAILED.value, Outcomes.UNSUCCESSFUL: ObjectStatus.SUCCEEDED.value}


def export_results(batch: Batch, choice: ResultChoice, *, among: BatchQuerySet, with_bodies: bool) -> Export:
    """The settled requests of the choice in input order. While one of their batches runs, the export is named partial.

    Only batches of `among` count as retries. Without bodies there are no answers, and messages that may quote one are replaced.
    Raises Gone, at once, if results can no longer be read.
    """
    members = lineage(batch, among=among) if choice.scope is Scope.LINEAGE else [batch]
    outcomes = _chosen(_outcomes(members, choice), choice)
    if choice.form is Form.CSV:
        rows = records(outcomes, with_bodies=with_bodies)
        lines = (line.encode() for line in csv_lines(rows, fields(with_bodies=with_bodies)))
    else:
        lines = (line_of(one, with_bodies=with_bodies) for piece in outcomes for one in piece)
    return exported(
        lines,
        name=_name(members[0], choice),
        form=choice.form,
        compression=choice.compression,
        is_partial=not all(member.is_terminal for member in members),
        left_out=() if with_bodies else (ANSWER,),
    )


def _name(batch: Batch, choice: ResultChoice) -> str:
    parts = [identifiers.render("batch_", batch.pk), "error_group" if choice.error else _NAMES[choice.outcome]]
    return "_".join([*parts, *(["after_retries"] if choice.scope is Scope.LINEAGE else [])])


def _outcomes(members: Sequence[Batch], choice: ResultChoice) -> Iterator[Outcome]:
    """The outcomes of all requests. Raises Gone at once, not when the first one is asked for."""
    if choice.scope is Scope.LINEAGE:
        return (Outcome(merged.root_line, merged.batch, merged.result) for merged in merged_results(members))
    batch = members[0]
    unread = ObjectStatus.SUCCEEDED.value if choice.error else _UNREAD[choice.outcome]
    return (Outcome(result.line, batch, result) for result in results(batch, but=unread))


def _chosen(outcomes: Iterable[Outcome], choice: ResultChoice) -> Iterator[list[Outcome]]:
    """The outcomes of the choice, in pieces."""
    settled = (one for one in outcomes if one.result.is_settled and _is_wanted(one, choice.outcome))
    for piece in _in_pieces(settled):
        yield _in_group(piece, choice.error) if choice.error else piece


def _is_wanted(one: Outcome, outcome: Outcomes) -> bool:
    succeeded = one.result.status == ObjectStatus.SUCCEEDED
    return outcome is Outcomes.ALL or succeeded == (outcome is Outcomes.SUCCEEDED)


def _in_pieces(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    piece: list[Outcome] = []
    chars = 0
    for one in outcomes:
        piece.append(one)
        chars += len(one.result.body)
        if len(piece) == PIECE or chars >= PIECE_CHARS:
            yield piece
            piece, chars = [], 0
    if piece:
        yield piece


def _in_group(piece: list[Outcome], fingerprint: str) -> list[Outcome]:
    """The outcomes whose latest round ended with a failure of this error group."""
    found = set()
    for batch in {one.batch.pk: one.batch for one in piece}.values():
        lines = [one.result.line for one in piece if one.batch.pk == batch.pk]
        errors = BatchError.objects.filter(batch=batch, fingerprint=fingerprint, line__in=lines).order_by()
        found |= {(batch.pk, line, round_) for line, round_ in errors.values_list("line", "round")}
    return [one for one in piece if (one.batch.pk, one.result.line, one.result.round) in found]
