import json

import pytest

from batches.console.drawing.pretty import indent


@pytest.mark.parametrize(
    "document",
    ['{"a":1,"b":[1,2,{}],"c":"x, {y}: \\" z","d":{}}', "[]", "[[],[[]]]", '"text"', "12", '{"a":1,"a":2}'],
)
def test_an_indented_document_is_the_same_document(document: str) -> None:
    assert json.loads(indent(document), object_pairs_hook=list) == json.loads(document, object_pairs_hook=list)


def test_members_stand_on_lines_of_their_own() -> None:
    assert indent('{"a":[1,{}],"b":{}}') == '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": {}\n}'


def test_numbers_keep_every_digit() -> None:
    assert indent("[9007199254740993,1.10,1e400]") == "[\n  9007199254740993,\n  1.10,\n  1e400\n]"


@pytest.mark.parametrize("broken", ['{"a":', '"open', "}}]]", '{"a" "b"}', ""])
def test_a_broken_document_is_shown_all_the_same(broken: str) -> None:
    assert "".join(indent(broken).split()) == "".join(broken.split())


def test_depth_neither_raises_nor_fills_a_page_with_spaces() -> None:
    assert len(indent("[" * 10_000 + "]" * 10_000)) < 20_000 * 90
