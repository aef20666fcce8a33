"""wire_ids: the ids under which requests go into provider jobs. They prove which job a result belongs to. Pure rules."""

import re
import uuid

_WIRE_ID = re.compile(r"by([0-9a-f]{32})a([0-9]{1,5})r([0-9]{1,10})")


def wire_id(job_id: uuid.UUID, *, line: int, round_: int) -> str:
    """The id of a request in a job: small letters and digits, at most 51, which every provider takes."""
    return f"by{job_id.hex}a{round_}r{line}"


def own_row(job_id: uuid.UUID, found: str) -> tuple[int, int] | None:
    """The line and round of a row of this job's results; None for a row that is not the job's."""
    match = _WIRE_ID.fullmatch(found)
    if match is None or match[1] != job_id.hex:
        return None
    return int(match[3]), int(match[2])
