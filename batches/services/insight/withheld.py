"""Failures as shown to readers who may not read bodies.

A message may quote a request or an answer, and so may an upstream's code and parameter. All three are replaced by the portal's
own words: the kind of the failure and its meaning.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from batches.models import Batch, BatchError, ErrorGroup, ProviderJob, ProviderJobIncident
from batches.rules.execution import IncidentCode
from batches.services.core.access import Readable, everything
from batches.services.insight.groups_in_batch import GroupInBatch
from providers.failures import Kind

WITHHELD = "The message is withheld: it may quote a request or an answer, which you may not read."


def words_for(kind: str, code: str) -> tuple[str, str]:
    """A code and a message that quote nothing. Without a kind the code is the portal's own, and is kept."""
    known = Kind.known(kind)
    return (known.value, f"{known.sentence} {WITHHELD}") if known else (code, WITHHELD)


def unquoting(errors: Iterable[BatchError], readable: Readable) -> list[BatchError]:
    """Errors of any batches, with texts replaced where their reader may not read bodies. The rows must not be saved."""
    rows = list(errors)
    if readable is everything:
        return rows
    batches = {row.batch_id for row in rows}
    projects = dict(Batch.objects.filter(pk__in=batches).values_list("pk", "project_id"))
    for row in rows:
        if not readable(projects[row.batch_id]):
            if Kind.known(row.kind):
                row.param = ""
            row.code, row.message = words_for(row.kind, row.code)
    return rows


def unquoting_group(readable: Readable) -> Callable[[ErrorGroup], ErrorGroup]:
    """A function that replaces the texts of an error group if its reader may not read them. The row must not be saved."""

    def redact(group: ErrorGroup) -> ErrorGroup:
        if not readable(group.project_id):
            group.code, group.message = words_for(group.kind, group.code)
            group.sample = group.message
        return group

    return redact


def unquoting_groups(batch: Batch, groups: Iterable[GroupInBatch], readable: Readable) -> list[GroupInBatch]:
    """The groups of one batch, with texts replaced if their reader may not read bodies."""
    if readable(batch.project_id):
        return list(groups)
    redacted = ((group, words_for(group.kind.value if group.kind else "", group.code)) for group in groups)
    return [replace(group, code=code, sample=message) for group, (code, message) in redacted]


# The incidents whose notes quote what a provider said.
QUOTING = frozenset(
    {IncidentCode.UNCERTAIN, IncidentCode.REFUSED, IncidentCode.FAILED, IncidentCode.UNREADABLE, IncidentCode.GONE}
)


def unquoting_jobs(jobs: Iterable[ProviderJob], readable: Readable) -> list[ProviderJob]:
    """Provider jobs with their batches, with texts replaced if their reader may not read bodies. The rows must not be saved."""
    rows = list(jobs)
    for row in rows:
        if (row.failure or row.problem_kind) and not readable(row.batch.project_id):
            row.note = WITHHELD
            row.failure = WITHHELD if row.failure else ""
    return rows


def unquoting_incidents(incidents: Iterable[ProviderJobIncident], readable: Readable) -> list[ProviderJobIncident]:
    """Incidents of such jobs, with notes replaced that quote a provider. The rows must not be saved."""
    rows = list(incidents)
    for row in rows:
        if row.code in QUOTING and not readable(row.job.batch.project_id):
            row.note = WITHHELD
    return rows
