"""The ids of jobs and rows at a provider, and the bits of the lines that have come home."""

import uuid

from batches.rules.lines.bits import LineBits
from batches.rules.wire_ids import marked_job, marker_of, row_reader, wire_id

JOB, OTHER = uuid.uuid4(), uuid.uuid4()


def test_a_row_is_known_by_its_id_to_its_own_job_alone() -> None:
    found = wire_id(JOB, line=12, round_=3)

    assert row_reader(JOB)(found) == (12, 3)
    assert row_reader(OTHER)(found) is None
    assert row_reader(JOB)(f"{found} ") is None
    assert row_reader(JOB)("row-12") is None


def test_every_marker_of_a_job_names_it() -> None:
    assert marked_job(marker_of(JOB)) == marked_job(marker_of(JOB, number=4)) == JOB
    assert marker_of(JOB) != marker_of(JOB, number=1)
    assert marked_job("somebody else's") is None


def test_lines_that_are_marked_stay_marked_when_they_are_stored() -> None:
    bits = LineBits(101, 117)
    for line in (101, 109, 117):
        bits.add(line)

    again = LineBits(101, 117, bits.stored())

    assert [line for line in range(101, 118) if line in again] == [101, 109, 117]
    assert again.count() == 3
