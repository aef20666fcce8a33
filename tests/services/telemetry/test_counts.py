"""Counting in the memory of a process."""

import os
import threading

import pytest
from django.db import transaction

from batches.services.telemetry import counts
from batches.services.telemetry.catalogue import ATTEMPT_SECONDS, CATALOGUE, CLAIM_SECONDS, DUPLICATES, OBJECTS_SETTLED


def test_what_is_counted_is_taken_once() -> None:
    counts.count(DUPLICATES, "job")
    counts.count(DUPLICATES, "job", by=2)
    counts.count(DUPLICATES, "late", by=0)

    assert counts.anything()
    assert counts.take() == {("batchyard_duplicates", ("job",)): 3}
    assert not counts.anything()


def test_a_value_counts_in_the_bucket_with_the_next_higher_bound() -> None:
    counts.observe(ATTEMPT_SECONDS, "p", seconds=[0.1, 0.11, 601.0])

    name = ATTEMPT_SECONDS.name
    assert counts.take() == {
        (name, ("p", "0.1")): 1,
        (name, ("p", "0.25")): 1,
        (name, ("p", "+Inf")): 1,
        (name, ("p", "sum")): pytest.approx(601.21),
    }


def test_no_value_counts_nothing() -> None:
    counts.observe(CLAIM_SECONDS, seconds=[])

    assert counts.take() == {}


def test_labels_must_be_those_of_the_catalogue() -> None:
    with pytest.raises(AssertionError):
        counts.count(DUPLICATES)


def test_what_could_not_be_told_is_kept_beside_what_was_counted_since() -> None:
    counts.count(DUPLICATES, "job")
    taken = counts.take()
    counts.count(DUPLICATES, "job", by=4)

    counts.put_back(taken)

    assert counts.take() == {("batchyard_duplicates", ("job",)): 5}


def test_threads_lose_no_count() -> None:
    def work() -> None:
        for _ in range(2000):
            counts.count(DUPLICATES, "job")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts.take() == {("batchyard_duplicates", ("job",)): 8000}


@pytest.mark.slow
def test_a_forked_child_does_not_tell_the_counts_of_its_parent() -> None:
    counts.count(DUPLICATES, "job")

    child = os.fork()
    if child == 0:
        os._exit(1 if counts.anything() else 0)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert counts.anything()


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_never_counts() -> None:
    with transaction.atomic():
        counts.count_on_commit(OBJECTS_SETTLED, "failed", by=7)
        transaction.set_rollback(True)
    with transaction.atomic():
        counts.count_on_commit(OBJECTS_SETTLED, "succeeded", by=3)
        assert not counts.anything()

    assert counts.take() == {("batchyard_objects_settled", ("succeeded",)): 3}


def test_every_counter_has_a_name_of_its_own_and_bounds_in_order() -> None:
    assert len({counted.name for counted in CATALOGUE}) == len(CATALOGUE)
    assert [counted.name for counted in CATALOGUE if list(counted.buckets) != sorted(set(counted.buckets))] == []
    assert [counted.name for counted in CATALOGUE if counted.values and len(counted.labels) != 1] == []
    assert [counted.name for counted in CATALOGUE if bool(counted.buckets) != counted.name.endswith("_seconds")] == [
        "batchyard_process_cpu_seconds"
    ]
