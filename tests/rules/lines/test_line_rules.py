"""What an input line must be: every complaint with its code, param and line."""

import json
import sys
from typing import Any

import pytest

from batches.rules.fingerprints import fingerprint
from batches.rules.lines.jsonl import MAX_DEPTH, Line, read_request
from batches.rules.lines.line_rules import LineChecker, LineRules, Problem

CHAT = "/v1/chat/completions"


def line(number: int = 1, **changes: Any) -> bytes:
    """A good line; a change to ... leaves the field out."""
    fields = {"custom_id": f"row-{number}", "method": "POST", "url": CHAT, "body": {"model": "m"}} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def raw(body: bytes = b'{"model":"m"}', custom_id: bytes = b'"a"', more: bytes = b"") -> bytes:
    """A line whose parts are given as bytes."""
    return b'{"custom_id":%s,"method":"POST","url":"/v1/chat/completions","body":%s%s}' % (custom_id, body, more)


def problems(*contents: bytes | None, rules: LineRules | None = None) -> list[Problem]:
    checker = LineChecker(rules or LineRules(CHAT))
    return [
        problem
        for number, content in enumerate(contents, start=1)
        for problem in checker.check(Line(number, 0, len(content or b""), content))[1]
    ]


def said(*contents: bytes | None, rules: LineRules | None = None) -> list[tuple[str, str, int | None]]:
    return [(problem.code, problem.param, problem.line) for problem in problems(*contents, rules=rules)]


def test_good_lines_have_no_problem_and_give_their_custom_id() -> None:
    checker = LineChecker(LineRules(CHAT))
    assert checker.check(Line(1, 0, 0, line(1, custom_id="é 🙂"))) == ("é 🙂", [])
    assert checker.check(Line(2, 0, 0, line(2, priority=3, body={"model": "m", "stream": False, "n": 1}))) == ("row-2", [])
    assert checker.model == "m"


@pytest.mark.parametrize(
    ("content", "code", "param"),
    [
        (None, "line_too_large", ""),
        (b"not json", "invalid_json_line", ""),
        (b"{", "invalid_json_line", ""),
        (line() + b" trailing", "invalid_json_line", ""),
        (line() + line(), "invalid_json_line", ""),
        (b"[]", "invalid_json_line", ""),
        (b"3", "invalid_json_line", ""),
        (b"null", "invalid_json_line", ""),
        (b'"text"', "invalid_json_line", ""),
        (raw(b'{"model":"m","x":NaN}'), "invalid_json_line", ""),
        (raw(b'{"model":"m","x":-Infinity}'), "invalid_json_line", ""),
        (raw(b'{"model":"m","x":01}'), "invalid_json_line", ""),
        (raw(b'{"model":"m","x":[1,]}'), "invalid_json_line", ""),
        (raw(b'{"model":"m","x":"\x00"}'), "invalid_json_line", ""),
        (raw(b'{"model":"m","x":"\xff"}'), "invalid_json_line", ""),
        (raw(b'{"model":"m","x":"\xed\xa0\x80"}'), "invalid_json_line", ""),
        (raw(b'{"model":"m","x":"\\ud800"}'), "invalid_json_line", ""),
        (raw(b'{"model":"m","x":"\\udc00"}'), "invalid_json_line", ""),
        (raw(custom_id=b'"\\ud800"'), "invalid_json_line", ""),
        (raw(b'{"model":"m","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "invalid_json_line", ""),
        (b"{}", "missing_required_parameter", "custom_id"),
        (line(custom_id=...), "missing_required_parameter", "custom_id"),
        (line(custom_id=7), "invalid_request", "custom_id"),
        (line(custom_id=None), "invalid_request", "custom_id"),
        (line(custom_id=""), "invalid_request", "custom_id"),
        (line(custom_id="x" * 513), "invalid_request", "custom_id"),
        (line(custom_id="a\0b"), "invalid_request", "custom_id"),
        (line(method=...), "missing_required_parameter", "method"),
        (line(method=None), "missing_required_parameter", "method"),
        (line(method="GET"), "invalid_method", "method"),
        (line(method="post"), "invalid_method", "method"),
        (line(method=3), "invalid_request", "method"),
        (line(url=...), "missing_required_parameter", "url"),
        (line(url="/v1/embeddings"), "url_mismatch", "url"),
        (line(url="\0"), "url_mismatch", "url"),
        (line(body=...), "missing_required_parameter", "body"),
        (line(body=None), "invalid_request", "body"),
        (line(body=[]), "invalid_request", "body"),
        (line(body={}), "missing_required_parameter", "body.model"),
        (line(body={"model": None}), "missing_required_parameter", "body.model"),
        (line(body={"model": ""}), "missing_required_parameter", "body.model"),
        (line(body={"model": 3}), "invalid_request", "body.model"),
        (line(body={"model": "x" * 201}), "invalid_request", "body.model"),
        (line(body={"model": "a\0"}), "invalid_request", "body.model"),
        (line(body={"model": "m", "stream": True}), "invalid_request", "body.stream"),
        (line(body={"model": "m", "stream": 1}), "invalid_request", "body.stream"),
    ],
)
def test_each_bad_line_is_named_by_code_param_and_line(content: bytes | None, code: str, param: str) -> None:
    good = line(1, custom_id="good")
    [problem] = problems(good, content, line(3))
    assert (problem.code, problem.param, problem.line) == (code, param, 2)
    assert problem.message.endswith(".")
    assert "\0" not in problem.message, "a database would refuse it"


def test_every_problem_of_a_line_is_told() -> None:
    bad = line(custom_id="", method="GET", url="/v1/other", body={"stream": True})
    assert said(bad) == [
        ("invalid_request", "custom_id", 1),
        ("invalid_method", "method", 1),
        ("url_mismatch", "url", 1),
        ("invalid_request", "body.stream", 1),
        ("missing_required_parameter", "body.model", 1),
    ]


def test_a_repeated_custom_id_is_told_each_time_with_the_line_that_had_it_first() -> None:
    found = problems(line(1, custom_id="a"), line(2), line(3, custom_id="a"), line(4, custom_id="a"))
    assert [(problem.code, problem.line) for problem in found] == [("duplicate_custom_id", 3), ("duplicate_custom_id", 4)]
    assert all("line 1." in problem.message for problem in found)


def test_duplicates_are_one_group_of_errors_whatever_their_custom_ids_are() -> None:
    found = problems(line(1, custom_id="pear"), line(2, custom_id="plum"), line(3, custom_id="pear"), line(4, custom_id="plum"))
    assert len({fingerprint(source="caller", provider="", http_status=None, code=p.code, message=p.message) for p in found}) == 1


def test_the_model_of_the_first_line_that_names_one_is_the_batchs() -> None:
    other = line(3, body={"model": "other"})
    assert said(line(1, body={}), line(2), other) == [
        ("missing_required_parameter", "body.model", 1),
        ("model_mismatch", "body.model", 3),
    ]


def test_invalid_utf_8_is_told_with_the_position_of_the_byte() -> None:
    content = raw(custom_id=b'"\xff"')
    [problem] = problems(content)
    assert f"byte {content.index(0xFF) + 1} of the line" in problem.message


@pytest.mark.parametrize("endpoint", ["/v1/moderations", "/v1/images/generations", "/v1/images/edits", "/v1/videos"])
def test_some_endpoints_have_a_model_of_their_own(endpoint: str) -> None:
    assert said(line(url=endpoint, body={}), rules=LineRules(endpoint)) == []


def test_a_dialect_may_do_without_method_url_and_a_single_model() -> None:
    rules = LineRules(CHAT, one_model=False, names_endpoint=False)
    lines = [line(1, method=..., url=...), line(2, method=None, url=None, body={"model": "other"}), line(3, body={})]
    assert said(*lines, rules=rules) == []
    assert [read_request(content).custom_id for content in lines] == ["row-1", "row-2", "row-3"]


def test_limits_of_a_dialect_are_obeyed() -> None:
    rules = LineRules(CHAT, max_custom_id_chars=3)
    assert said(line(custom_id="ééé"), rules=rules) == []
    assert said(line(custom_id="éééé"), rules=rules) == [("invalid_request", "custom_id", 1)]


ODD = {
    "plain": line(),
    "the last of several equal keys counts": raw(b'{"model":"m"},"body":{"model":"m2"}', more=b',"custom_id":"b"'),
    "equal keys in the body": raw(b'{"model":"m","model":"m2"}'),
    "an object instead of a number first": raw(b'3,"body":{"model":"m"}'),
    "a number instead of an object last": raw(b'{"model":"m"},"body":3'),
    "unknown fields": line(more=[1, {"a": None}]),
    "big numbers": raw(b'{"model":"m","seed":' + b"9" * 500 + b',"x":1e999}'),
    "escapes": raw(rb'{"model":"\u006d","x":"\ud83d\ude00\/\"\\\n"}'),
    "raw unicode": raw('{"model":"m","x":"é🙂\u2028\x7f"}'.encode()),
    "spaces": b' {"custom_id" : "a" ,\t"method":"POST","url":"/v1/chat/completions", "body" : {"model" : "m"}}'.strip(),
    "no method": line(method=None),
    "no url": line(url=None),
    "no body": line(body=...),
}
ODD |= {
    f"{depth} levels": raw(b'{"model":"m","x":' + b"[" * (depth - 2) + b"]" * (depth - 2) + b"}")
    for depth in (2, 100, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 400, 900, 960, *range(970, 1010, 3))
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD.keys())
def test_an_accepted_line_can_be_read_however_deep_the_reader_is_itself(content: bytes) -> None:
    for rules in (LineRules(CHAT), LineRules(CHAT, one_model=False, names_endpoint=False)):
        custom_id, found = LineChecker(rules).check(Line(1, 0, len(content), content))
        if not found:
            request = read_deep_down(content)
            assert request == custom_id


def read_deep_down(content: bytes) -> str:
    """Read with most of the stack used up."""
    free = sys.getrecursionlimit() - MAX_DEPTH - 50

    def descend(depth: int) -> str:
        if depth:
            return descend(depth - 1)
        request = read_request(content)
        assert json.loads(bytes(request.body))["model"]
        return request.custom_id

    return descend(free - stack_depth())


def stack_depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


@pytest.mark.parametrize(("levels", "found"), [(MAX_DEPTH, []), (MAX_DEPTH + 1, [("invalid_json_line", "", 1)])])
def test_nesting_ends_at_a_fixed_depth(levels: int, found: list[tuple[str, str, int]]) -> None:
    inner = levels - 2  # the line and its body are two
    assert said(raw(b'{"model":"m","x":' + b"[" * inner + b"]" * inner + b"}")) == found


@pytest.mark.parametrize(
    ("models", "known"), [(["a", "a"], "a"), (["a", "b"], ""), (["a", "b", "a"], ""), ([None, "a"], "a"), ([None], "")]
)
def test_where_lines_may_name_several_models_the_batch_has_one_only_if_they_agree(models: list[str | None], known: str) -> None:
    checker = LineChecker(LineRules("/v1/messages", one_model=False))
    for number, model in enumerate(models, start=1):
        line = {"custom_id": str(number), "method": "POST", "url": "/v1/messages", "body": {"model": model}}
        content = json.dumps(line).encode()
        assert checker.check(Line(number, 0, len(content), content)) == (str(number), [])
    assert checker.model == known
