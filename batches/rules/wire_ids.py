"""wire_ids: the ids of jobs and of their requests at a provider. They prove which job a result belongs to. Pure rules."""

import re
import uuid
from collections.abc import Callable

_MARKER = re.compile(r"by([0-9a-f]{32})(n[0-9]{1,9})?")


def marker_of(job_id: uuid.UUID, *, number: int = 0) -> str:
    """The marker of a job; another one for each time that it is created anew."""
    return f"by{job_id.hex}n{number}" if number else f"by{job_id.hex}"


def marked_job(marker: str) -> uuid.UUID | None:
    """The id of the job that has or had this marker; None for what is no marker."""
    match = _MARKER.fullmatch(marker)
    return uuid.UUID(match[1]) if match is not None else None


def wire_id(job_id: uuid.UUID, *, line: int, round_: int) -> str:
    """The id of a request in a job: small letters and digits, at most 51, which every provider takes."""
    return f"by{job_id.hex}a{round_}r{line}"


def row_reader(job_id: uuid.UUID) -> Callable[[str], tuple[int, int] | None]:
    """A function that tells the line and round of a row of this job's results by its id; None for a row that is not the job's."""
    match_own = re.compile(rf"by{job_id.hex}a([0-9]{{1,5}})r([0-9]{{1,10}})").fullmatch

    def own_row(found: str) -> tuple[int, int] | None:
        match = match_own(found)
        return None if match is None else (int(match[2]), int(match[1]))

    return own_row
