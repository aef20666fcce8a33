"""Old and new values of settings."""

from datetime import UTC, datetime

import pytest

from batches.rules.changes import MOST_CHANGES, VALUE_CHARS, differences, told

NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"limit": 256}, {"limit": 7}, {"limit": [256, 7]}),
        ({"limit": None}, {"limit": 7}, {"limit": [None, 7]}),
        ({"limit": 7}, {}, {"limit": [7, None]}),
        ({"name": ""}, {"name": None}, {}),
        ({"enabled": True}, {"enabled": False}, {"enabled": [True, False]}),
        ({"expires": None}, {"expires": NOON}, {"expires": [None, "2026-12-01 12:00:00 UTC"]}),
        ({"options": {"ca": "a", "auth": "x"}}, {"options": {"ca": "b", "auth": "x"}}, {"options.ca": ["a", "b"]}),
        ({"key": "sk-1"}, {"key": "sk-2"}, {"key": None}),
        ({"key": "sk-1"}, {"key": "sk-1"}, {}),
        ({"options": {"headers": {"X": "sk-1"}}}, {"options": {}}, {"options.headers": None}),
        ({}, {"proxy": "http://me:sk-1@proxy:3128"}, {"proxy": [None, "http://…@proxy:3128"]}),
        ({}, {"name": "a\0b"}, {"name": [None, "a\ufffdb"]}),
    ],
)
def test_only_what_differs_is_told_and_no_secret(
    before: dict[str, object], after: dict[str, object], found: dict[str, object]
) -> None:
    assert differences(before, after, secret={"key", "options.headers"}) == found


def test_a_record_stays_small() -> None:
    found = differences({}, {f"setting_{number}": "x" * 1000 for number in range(MOST_CHANGES + 3)})
    assert found["further settings"] == [None, 3]
    assert max(len(str(pair[1])) for pair in found.values() if pair) == VALUE_CHARS


def test_changes_are_told_in_words() -> None:
    words = [(each.name, each.old, each.new, each.is_secret) for each in told({"max_open": [None, True], "key": None, "odd": 3})]
    assert words == [("max open", "none", "yes", False), ("key", "", "", True)]
