"""Tables for people."""

from tests.benchmarks.tables import table, verdict


def test_columns_are_aligned() -> None:
    assert table(("name", "value"), [("one", 12345), ("longer name", 0.5)]).splitlines() == [
        "name          value",
        "-----------  ------",
        "one          12,345",
        "longer name    0.50",
    ]


def test_a_goal_is_met_or_missed() -> None:
    assert verdict(0.5, at_least=0.5) == "met (at least 0.5)"
    assert verdict(251, at_most=250) == "MISSED (at most 250)"
