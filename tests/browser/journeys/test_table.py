"""The table of journeys in tests/README.md says what is walked."""

import re
from pathlib import Path

from tests.browser.journeys.hand import JOURNEYS, Steps

ROOT = Path(__file__).parents[3]


def test_the_journeys_of_an_operator_are_those_that_are_walked() -> None:
    section = (ROOT / "tests/README.md").read_text().partition("\n## Journeys of an operator\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \| (\d+) \|$", section, re.MULTILINE)
    assert {name: Steps(*map(int, numbers)) for name, *numbers in rows} == JOURNEYS
    assert all(steps.clicks <= steps.at_most for steps in JOURNEYS.values())
    walked = "".join(path.read_text() for path in ROOT.glob("tests/browser/journeys/test_*.py"))
    assert [name for name in JOURNEYS if f'must_have_taken("{name}")' not in walked] == []
