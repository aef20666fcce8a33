import re
from pathlib import Path

import pytest

from batches.rules.display.sizes import size

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1 MiB"),
        (200 * 1024**2, "200 MiB"),
        (8 * 1024**3, "8 GiB"),
        (3 * 1024**5, "3072 TiB"),
    ],
)
def test_a_size_has_one_way_of_being_written(count: int, words: str) -> None:
    """O28: a limit was 209.7 MB on one page and 200 MiB on another."""
    assert size(count) == words


def test_no_page_or_script_writes_sizes_in_another_way() -> None:
    """O28."""
    files = [path for folder in ("templates", "static/console") for path in (ROOT / folder).rglob("*.*")]
    files += [
        path for folder in ("batches/console", "batches/admin", "batches/templatetags") for path in (ROOT / folder).rglob("*.py")
    ]
    others = re.compile(r"filesizeformat|\b(?:[kKMGT]B)\b")
    assert len(files) > 200
    assert {path.name: found[0] for path in files if (found := others.search(path.read_text(encoding="utf-8")))} == {}
