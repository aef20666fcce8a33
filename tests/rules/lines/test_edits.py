"""Another body for a request: checked as the lines of an input are, and told apart by names alone."""

import json

import pytest

from batches.rules.lines.edits import edit
from batches.rules.lines.line_rules import LineRules
from tests.cast import CHAT

LINE = b'{"custom_id": "a-1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "n": 1.10, "stop": "x"}}'
RULES = LineRules(endpoint=CHAT)


def test_only_the_body_of_the_line_is_another_and_its_numbers_keep_every_digit() -> None:
    draft = edit(LINE, '{\r\n  "model": "m",\r\n  "n": 9007199254740993.10,\r\n  "e": 1e400\r\n}', rules=RULES)
    assert draft.problems == ()
    assert draft.line == (
        b'{"custom_id":"a-1","method":"POST","url":"/v1/chat/completions","body":{"model":"m","n":9007199254740993.10,"e":1e400}}'
    )
    assert (draft.before, draft.after) == (
        b'{"model":"m","n":1.10,"stop":"x"}',
        b'{"model":"m","n":9007199254740993.10,"e":1e400}',
    )


def test_the_difference_is_told_by_the_names_of_members_and_never_by_what_is_in_them() -> None:
    draft = edit(LINE, '{"model": "m", "n": 2, "seed": "secret"}', rules=RULES)
    assert draft.summary == "changed n; added seed; removed stop"


def test_names_that_are_none_are_only_counted() -> None:
    body = {"model": "m", "n": 1.10, "stop": "x", "<b>": 1, "x" * 41: 2, **{f"k{n}": n for n in range(12)}}
    named = ", ".join(f"k{n}" for n in range(10))
    assert edit(LINE, json.dumps(body).replace("1.1,", "1.10,"), rules=RULES).summary == f"added {named}, 4 more"


@pytest.mark.parametrize("text", ['{"model":"m","n":1.10,"stop":"x"}', '{ "model": "m",\n"n": 1.10, "stop": "x" }'])
def test_a_body_that_is_not_different_is_retried_as_it_is(text: str) -> None:
    assert edit(LINE, text, rules=RULES).problems == ("Nothing is different. Retry it as it is instead.",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "The body is not valid JSON: it ends too early."),
        ('{"model": "m"', "The body is not valid JSON: it ends too early."),
        ('{"model": "m",\n "n": NaN}', "The body is not valid JSON: invalid character in line 2."),
        ('{"é": 1, x}', "The body is not valid JSON: expected '\"' in line 1."),
        ('{"model": "a\x00b"}', "The body is not valid JSON: invalid character in line 1."),
        ('{"model": "m"}, "custom_id": "b"', "The body is not valid JSON: trailing characters in line 1."),
        ('{"model": "\ud800"}', "The body is not valid UTF-8."),
        ("[" * 500 + "]" * 500, "The body is nested too deeply."),
        ("[1]", "body has the wrong type: expected object, got array."),
        ('{"n": 2}', "body.model is missing."),
        ('{"model": "m", "stream": true}', "A batch cannot stream: leave body.stream out."),
    ],
)
def test_what_no_input_line_may_have_no_edited_one_may_have(text: str, problem: str) -> None:
    assert edit(LINE, text, rules=RULES).problems == (problem,)


def test_a_request_that_grew_over_the_limit_is_refused() -> None:
    draft = edit(LINE, json.dumps({"model": "m", "text": "x" * 1000}), rules=LineRules(endpoint=CHAT, max_line_bytes=1000))
    assert draft.problems == ("The request is too large. The line has more than 1000 bytes.",)
