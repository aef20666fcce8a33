"""CPU and memory are added up by role, over processes and what they have started."""

import os
import subprocess
import sys

import pytest

from tests.benchmarks.accounting import (
    TICK,
    Process,
    cpu_by_role,
    cpu_of_tree,
    parse_memory,
    parse_stat,
    peak_by_role,
    roles,
    tree,
)

MARKS = {"serve": "supervisor", "--queues execute": "execute", "config.web": "web"}
FAMILY = {
    1: Process(1, 0, 50.0, "init", 900),
    10: Process(10, 1, 1.0, "python manage.py serve", 100),
    11: Process(11, 10, 2.0, "python -m config.web", 110),
    12: Process(12, 11, 4.0, "python -c spawned", 150),
    13: Process(13, 10, 8.0, "celery worker --queues execute", 120),
    14: Process(14, 13, 16.0, "celery worker --queues execute", 90),
    20: Process(20, 1, 32.0, "somebody else", 999),
}


def test_a_line_of_proc_tells_parent_and_cpu_with_reaped_children() -> None:
    fields = "S 7 42 42 0 -1 4194304 100 200 0 0 300 50 20 5 20 0 1 0 12345 1000 10"

    process = parse_stat(f"42 (odd) name (x) {fields}")

    assert (process.pid, process.parent) == (42, 7)
    assert process.cpu == pytest.approx((300 + 50 + 20 + 5) * TICK)


def test_the_greatest_memory_is_the_kernels_own_mark() -> None:
    assert parse_memory("Name:\tx\nVmPeak:\t  999 kB\nVmHWM:\t  64 kB\nVmRSS:\t  10 kB\n") == (64 * 1024, 10 * 1024)
    assert parse_memory("Name:\tkthreadd\n") == (0, 0)


def test_a_tree_is_a_process_and_everything_below_it() -> None:
    assert [process.pid for process in tree(10, FAMILY)] == [10, 11, 13, 12, 14]
    assert tree(99, FAMILY) == []


def test_a_process_without_a_mark_has_its_parents_role() -> None:
    assert roles(tree(10, FAMILY), MARKS) == {10: "supervisor", 11: "web", 12: "web", 13: "execute", 14: "execute"}


def test_cpu_is_added_up_and_memory_is_the_greatest_of_one() -> None:
    family = tree(10, FAMILY)

    assert cpu_by_role(family, MARKS) == {"supervisor": 1.0, "web": 6.0, "execute": 24.0}
    assert peak_by_role(family, MARKS) == {"supervisor": 100, "web": 150, "execute": 120}


def test_the_cpu_of_a_real_child_counts_after_it_was_reaped() -> None:
    before = cpu_of_tree(os.getpid())
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.1: pass"], check=True)

    assert cpu_of_tree(os.getpid()) - before >= 0.1 - TICK
