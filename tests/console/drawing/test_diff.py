import json
from time import monotonic

from batches.console.drawing.diff import MOST_CHARS, MOST_LINES, Change, difference, readable


def kinds(first: str, second: str) -> list[tuple[str, str]]:
    return [(change.kind, change.start + change.middle + change.end) for change in difference(first, second).changes]


def test_the_order_of_keys_and_the_space_between_them_make_no_difference() -> None:
    found = difference('{"b": 1, "a": [1, {}]}', '{"a":[1,{ }],\n"b":1}')
    assert found.same
    assert [change.start for change in found.changes] == ["{", '  "a": [', "    1,", "    {}", "  ],", '  "b": 1', "}"]


def test_what_differs_is_told_from_what_is_the_same_around_it() -> None:
    first = json.dumps({"content": "a red car", **{f"x{number}": number for number in range(9)}})
    second = first.replace("red", "blue")
    assert kinds(first, second) == [
        ("same", "{"),
        ("removed", '  "content": "a red car",'),
        ("added", '  "content": "a blue car",'),
        ("same", '  "x0": 0,'),
        ("same", '  "x1": 1,'),
        ("same", '  "x2": 2,'),
        ("gap", ""),
    ]
    assert difference(first, second).changes[1] == Change("removed", '  "content": "a ', "red", ' car",')


def test_numbers_keep_every_digit_and_keys_given_twice_stay() -> None:
    assert readable('{"n": 9007199254740993, "x": 1.10, "e": 1e400, "n": -0.0}').splitlines()[1:-1] == [
        '  "e": 1e400,',
        '  "n": 9007199254740993,',
        '  "n": -0.0,',
        '  "x": 1.10',
    ]
    assert not difference("[1.0]", "[1.00]").same
    assert not difference("[9007199254740993]", "[9007199254740992]").same


def test_half_a_surrogate_pair_stays_named() -> None:
    assert readable(r'{"a": "\ud800", "\udfff": "\ud83d\ude00"}').splitlines()[1:-1] == [
        r'  "a": "\ud800",',
        r'  "\udfff": "😀"',
    ]


def test_what_is_no_json_is_compared_as_text() -> None:
    assert kinds("The upstream failed.", "The upstream fell.")[0][0] == "removed"
    assert readable("[" * 100_000)
    assert readable('{"a": 1')
    assert readable("[" * 5000 + "]" * 5000)
    assert kinds("", '{"a": 1}') == [("added", "{"), ("added", '  "a": 1'), ("added", "}")]
    assert difference("", "").changes == []


def test_more_lines_on_one_side_are_told_as_they_are() -> None:
    assert kinds("[1]", "[1, 2]") == [("same", "["), ("removed", "  1"), ("added", "  1,"), ("added", "  2"), ("same", "]")]


def test_long_answers_are_cut_and_take_no_time() -> None:
    first, second = (json.dumps([number % way for number in range(200_000)]) for way in (7, 11))
    began = monotonic()
    found = difference(first, second)
    assert found.cut
    assert len(found.changes) <= 2 * MOST_LINES + MOST_LINES
    assert monotonic() - began < 20  # a bound against what grows without one, not a measurement
    wide = difference(json.dumps("x" * 10**6), json.dumps("y" * 10**6))
    assert wide.cut
    assert all(len(change.start + change.middle + change.end) <= MOST_CHARS for change in wide.changes)
