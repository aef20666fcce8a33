"""The table of `make coverage`: rooms, and lines and branches together."""

from tests.coverage import Covered, by_room


def test_the_files_of_a_room_count_together_and_deeper_folders_with_it() -> None:
    files = {
        "batches/engine/executor/execute.py": Covered(8, 10, 2, 4),
        "batches/engine/executor/lanes/lane.py": Covered(2, 10, 1, 4),
        "batches/engine/executor/__init__.py": Covered(),
        "batches/services/__init__.py": Covered(),
        "batches/services/core/wake.py": Covered(3, 3),
    }

    rooms = by_room(files)

    assert rooms == {"batches/engine/executor": Covered(10, 20, 3, 8), "batches/services/core": Covered(3, 3)}


def test_a_percentage_counts_lines_and_branches_alike() -> None:
    assert Covered(6, 10, 2, 10).percent == 40.0
    assert Covered().percent == 100.0
