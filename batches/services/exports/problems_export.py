"""The export of the problems of an input: every one of them with its line, for the author of the input."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from batches.models import Batch, BatchError, File
from batches.rules import identifiers
from batches.rules.display.csv_lines import csv_lines
from batches.rules.lines.line_rules import LineRules, Problem
from batches.services.core.access import Readable
from batches.services.exports.form import Export, Form, exported
from batches.services.insight.withheld import unquoting
from batches.services.intake.check_input import every_problem

_FIELDS = ("line", "code", "message", "field")
_TEXT = "text"


def export_problems(file: File, *, rules: LineRules, of_the_batch: Iterable[Problem], with_bodies: bool) -> Export:
    """Every problem of an input, which is checked anew while it is read. Raises Unavailable, at once.

    Problems of the batch, which are known before the input is read, come first.

    The beginning of each bad line stands beside its problem for readers who may read requests.
    """
    problems = (
        {
            "line": problem.line,
            "code": problem.code,
            "message": problem.message,
            "field": problem.param,
            **({_TEXT: text} if with_bodies else {}),
        }
        for problem, text in chain(((problem, "") for problem in of_the_batch), every_problem(file, rules=rules))
    )
    left_out = () if with_bodies else (_TEXT,)
    fields = (*_FIELDS, _TEXT) if with_bodies else _FIELDS
    return _csv(problems, fields, name=f"{identifiers.render('file-', file.pk)}_problems", left_out=left_out)


def export_recorded_problems(batch: Batch, *, readable: Readable) -> Export:
    """The recorded problems of the input of a batch: the first MAX_STORED_ERRORS of them."""
    errors = unquoting(BatchError.objects.filter(batch=batch, round__isnull=True), readable)
    problems = ({"line": error.line, "code": error.code, "message": error.message, "field": error.param} for error in errors)
    return _csv(problems, _FIELDS, name=f"{identifiers.render('batch_', batch.pk)}_problems")


def _csv(
    problems: Iterable[Mapping[str, object]], fields: tuple[str, ...], *, name: str, left_out: tuple[str, ...] = ()
) -> Export:
    lines: Iterator[bytes] = (line.encode() for line in csv_lines(problems, fields))
    return exported(lines, name=name, form=Form.CSV, left_out=left_out)
