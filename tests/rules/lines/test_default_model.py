"""C1: what is sent holds the batch's model; every other byte is the client's."""

import json

import pytest

from batches.rules.lines.default_model import line_with_model, with_model
from batches.rules.lines.jsonl import Line
from batches.rules.lines.line_rules import LineChecker, LineRules

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"messages":[]}', b'{"model":"m","messages":[]}'),
        (b"{}", b'{"model":"m"}'),
        (b"{ }", b'{"model":"m" }'),
        (b'{ "n": 1.50, "x": "\\u00e9"}', b'{"model":"m", "n": 1.50, "x": "\\u00e9"}'),
        (b'{"model": null, "n": 1e2}', b'{"model": "m", "n": 1e2}'),
        (b'{"n":1,"model":""}', b'{"n":1,"model":"m"}'),
        (b'{"model":"simulator/m"}', b'{"model":"m"}'),
        (b'{"model":"m" , "n":1}', b'{"model":"m" , "n":1}'),
        (b'{"mod\\u0065l":null}', b'{"mod\\u0065l":"m"}'),
        (b'{"a":{"model":"x"},"b":["\\"model\\""]}', b'{"model":"m","a":{"model":"x"},"b":["\\"model\\""]}'),
        (b'{"model":null,"model":"simulator/m"}', b'{"model":"m","model":"m"}'),
        (b"[1]", b"[1]"),
    ],
)
def test_c1_a_body_gets_the_model_and_nothing_else_changes(body: bytes, sent: bytes) -> None:
    assert with_model(body, "m") == sent
    line = b'{"custom_id":"a","body":' + body + b',"more":1.0}'
    assert line_with_model(line, "m") == b'{"custom_id":"a","body":' + sent + b',"more":1.0}'


@pytest.mark.parametrize("line", [b"", b"{", b'{"custom_id":"a"}', b'{"body":3}', b'{"body":{"model":}}', b"\xff"])
def test_a_line_that_is_no_request_stays_as_it_is(line: bytes) -> None:
    assert line_with_model(line, "m") == line


@pytest.mark.parametrize("one_model", [True, False])
@pytest.mark.parametrize(
    ("model", "good"),
    [(None, True), ("", True), ("m", True), ("simulator/m", True), ("other/m", False), ("n", False), ("M", False)],
)
def test_c1_a_line_names_no_model_or_the_batchs(one_model: bool, model: str | None, good: bool) -> None:
    checker = LineChecker(LineRules(CHAT, one_model=one_model, model="m", provider="simulator"))
    body: dict[str, object] = {"messages": []} | ({} if model is None else {"model": model})
    content = json.dumps({"custom_id": "a", "method": "POST", "url": CHAT, "body": body}).encode()
    _, problems = checker.check(Line(1, 0, len(content), content))
    assert checker.model == "m"
    assert [problem.code for problem in problems] == ([] if good else ["model_mismatch"])
    if not good:
        assert str(model) in problems[0].message
        assert "the batch's model is m" in problems[0].message
