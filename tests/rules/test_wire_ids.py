"""The ids of jobs and rows at a provider."""

import uuid

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
