"""check_input: check an input by the rules of its validation, and estimate its cost. Nothing is changed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from django.db import transaction

from batches.models import File, Project
from batches.rules.errors import QuotaExceeded, Unavailable
from batches.rules.lines.jsonl import Line
from batches.rules.lines.line_rules import LineChecker, LineRules, Problem
from batches.services.intake.input_lines import Checked, InputOutOfReach, Problems, checked_file, checked_lines
from batches.services.policy.estimate import Estimate
from batches.services.policy.quota import require_room

TEXT_BYTES = 2000  # the most bytes of a bad line that are kept for people


@dataclass(slots=True)
class Findings(Problems):
    """The findings of a check: the number of requests, their problems, and an estimate for the valid ones.

    With `code`, only problems with this code are kept; all are counted. `texts` has the beginnings of the bad lines whose
    problems are kept.
    """

    requests: int = 0
    estimate: Estimate = field(default_factory=lambda: Estimate(""))
    code: str = ""
    texts: dict[int, str] = field(default_factory=dict)

    def keeps(self, problem: Problem) -> bool:
        return Problems.keeps(self, problem) and self.code in ("", problem.code)

    @property
    def may_skip(self) -> bool:
        """Whether a batch could skip its invalid lines: some lines are invalid, others are valid, and nothing else is wrong."""
        return 0 < self.bad_lines < self.requests and not self.of_the_whole


def check_file(file: File, *, rules: LineRules, findings: Findings) -> None:
    """Check every line of a file. Memory holds the custom_ids, never the whole input."""
    checker = LineChecker(rules)
    try:
        _look(checked_file(file, checker, note=findings.add), checker, findings)
    except InputOutOfReach as error:
        raise _unavailable(error) from None


def every_problem(file: File, *, rules: LineRules) -> Iterator[tuple[Problem, str]]:
    """Every problem of a file with the beginning of its line, those of the file as a whole last. Raises Unavailable, at once."""
    found = _every_problem(file, LineChecker(rules))
    try:
        first = next(found, None)
    except InputOutOfReach as error:
        raise _unavailable(error) from None
    return found if first is None else chain((first,), found)


def _every_problem(file: File, checker: LineChecker) -> Iterator[tuple[Problem, str]]:
    of_the_whole: list[Problem] = []
    for found in checked_file(file, checker, note=of_the_whole.append):
        for problem in found.problems:
            yield problem, beginning(found.line.content)
    yield from ((problem, "") for problem in of_the_whole)


def beginning(content: bytes | None) -> str:
    """The beginning of a line for people; empty for a line that was too long to be read."""
    if content is None:
        return ""
    text = content[:TEXT_BYTES].decode(errors="replace")
    return f"{text}…" if len(content) > TEXT_BYTES else text


def _unavailable(error: InputOutOfReach) -> Unavailable:
    return Unavailable(f"The input cannot be read at the moment: {error}.")


def check_lines(lines: Iterator[Line], *, rules: LineRules, findings: Findings) -> None:
    """Check lines. Lines after the limit are only counted."""
    checker = LineChecker(rules)
    _look(checked_lines(lines, checker, note=findings.add), checker, findings)


def _look(checked: Iterator[Checked], checker: LineChecker, findings: Findings) -> None:
    for found in checked:
        for problem in found.problems:
            if findings.keeps(problem):
                findings.texts[found.line.number] = beginning(found.line.content)
            findings.add(problem)
        if found.problems:
            findings.bad_lines += 1
        elif found.line.content is not None:
            findings.estimate.add(found.line.content)
    findings.requests = checker.lines


def check_quotas(project: Project, findings: Findings, *, stored_bytes: int = 0) -> None:
    """Check whether the project has room for one more batch with these requests."""
    try:
        with transaction.atomic():
            require_room(project, open_batches=1, pending_objects=findings.requests, stored_bytes=stored_bytes)
    except QuotaExceeded as error:
        findings.add(Problem(error.code, error.message))
