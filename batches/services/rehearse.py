"""rehearse: look at an input as its validation will, and at what it may cost. Nothing is changed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from django.conf import settings
from django.db import transaction

from batches.errors import QuotaExceeded
from batches.jsonl import Line, read_lines
from batches.line_rules import LineChecker, LineRules, Problem
from batches.models import File, Project
from batches.services.estimate import Estimate
from batches.services.quota import require_room


@dataclass(slots=True)
class Findings:
    """What a rehearsal finds: how many requests there are, all problems counted by their codes, the first of them kept."""

    requests: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    estimate: Estimate = field(default_factory=lambda: Estimate(""))

    @property
    def count(self) -> int:
        """How many problems there are."""
        return self.codes.total()

    def add(self, problem: Problem) -> None:
        self.codes[problem.code] += 1
        if len(self.problems) < settings.MAX_STORED_ERRORS:
            self.problems.append(problem)


def rehearse_file(file: File, *, rules: LineRules, findings: Findings) -> None:
    """Look at every line of a file. Streams: holds the custom_ids in memory, never the input."""
    try:
        with file.content.open("rb") as source:
            lines = read_lines(cast(BinaryIO, source), max_line_bytes=rules.max_line_bytes)
            rehearse_lines(lines, rules=rules, findings=findings)
    except FileNotFoundError:
        findings.add(Problem("input_not_found", "The input file is no longer kept.", "input_file_id"))
    else:
        if not findings.requests:
            findings.add(Problem("empty_file", "The input file has no lines.", "input_file_id"))


def rehearse_lines(lines: Iterator[Line], *, rules: LineRules, findings: Findings) -> None:
    """Look at lines; those behind the limit are only counted."""
    checker = LineChecker(rules)
    for line in lines:
        findings.requests += 1
        if findings.requests <= rules.max_lines:
            problems = checker.check(line)[1]
            for problem in problems:
                findings.add(problem)
            if not problems and line.content is not None:
                findings.estimate.add(line.content)
    if findings.requests > rules.max_lines:
        message = f"The input has {findings.requests} requests; a batch may have {rules.max_lines}."
        findings.add(Problem("too_many_tasks", message, "input_file_id"))


def rehearse_quotas(project: Project, findings: Findings, *, stored_bytes: int = 0) -> None:
    """Look whether the project has room for one more batch with these requests."""
    try:
        with transaction.atomic():
            require_room(project, open_batches=1, pending_objects=findings.requests, stored_bytes=stored_bytes)
    except QuotaExceeded as error:
        findings.add(Problem(error.code, error.message))
