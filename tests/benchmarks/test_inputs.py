"""What a benchmark sends, and that it notices when too little comes back."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.inputs import WrongResult, check_arrivals, check_output, custom_id, write_input


def output(path: Path, *names: str, status: int = 200) -> Path:
    lines = [json.dumps({"id": "x", "custom_id": name, "response": {"status_code": status}}) for name in names]
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_each_line_has_about_the_size_asked_for_and_a_marker_of_its_own(tmp_path: Path) -> None:
    lines = write_input(tmp_path / "input.jsonl", lines=3, line_bytes=1024).read_bytes().splitlines()

    assert [json.loads(line)["body"]["user"] for line in lines] == ["request-000000", "request-000001", "request-000002"]
    assert all(1015 <= len(line) <= 1024 for line in lines)


def test_a_complete_output_in_order_passes(tmp_path: Path) -> None:
    check_output(output(tmp_path / "output.jsonl", custom_id(0), custom_id(1)), lines=2)


@pytest.mark.parametrize("numbers", [(0,), (0, 1, 2), (1, 0), (0, 0)], ids=["fewer", "more", "out of order", "twice"])
def test_any_other_output_is_refused(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    path = output(tmp_path / "output.jsonl", *map(custom_id, numbers))

    with pytest.raises(WrongResult):
        check_output(path, lines=2)


def test_a_failed_request_in_the_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongResult):
        check_output(output(tmp_path / "output.jsonl", custom_id(0), status=500), lines=1)


@pytest.mark.parametrize("stats", [(2, 1, 1), (1, 1, 0), (3, 2, 1)])
def test_a_request_that_never_arrived_or_arrived_twice_is_refused(stats: tuple[int, int, int]) -> None:
    with pytest.raises(WrongResult):
        check_arrivals(dict(zip(("requests", "markers", "repeated"), stats, strict=True)), lines=2)
