import json

import pytest

from batches.rules.answer_match import LEFT_ASIDE, first_difference

CHAT = {
    "id": "chatcmpl-1",
    "created": 1,
    "model": "m",
    "system_fingerprint": "fp_1",
    "usage": {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0}},
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris", "tool_calls": [{"id": "call_1", "x": 1}]}}],
}


def at(path: str, value: object) -> str:
    """A document with this value at a path of LEFT_ASIDE, and something that is compared."""
    *parents, last = path.removeprefix("**.").split(".")
    document: object = {last: value}
    for name in reversed(parents):
        document = {name.removesuffix("[]"): [document] if name.endswith("[]") else document}
    return json.dumps({"kept": 1, **(document if isinstance(document, dict) else {})})


@pytest.mark.parametrize("path", LEFT_ASIDE)
def test_what_differs_from_call_to_call_is_left_aside(path: str) -> None:
    """O11: ids always differ."""
    assert first_difference(at(path, "a"), at(path, "b")) is None
    assert first_difference(at(path, "a"), at(path, "a").replace('"kept": 1', '"kept": 2')) == "kept"


@pytest.mark.parametrize(
    ("first", "second", "path"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}', None),  # the order of keys and spaces
        ('{"a": 1}', '{"a": 1.0}', None),
        ('{"a": "\\u00e9"}', '{"a": "é"}', None),
        ('{"a": null}', "{}", None),
        ('{"a": true}', '{"a": 1}', "a"),
        ('{"a": 9007199254740993}', '{"a": 9007199254740992}', "a"),  # which are one number as floats
        ('{"a": "1"}', '{"a": 1}', "a"),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', "a[]"),
        ('{"a": [1]}', '{"a": [1, 1]}', "a"),
        ('{"a": {"id": 1}}', '{"a": {"id": 2}}', "a.id"),  # some other id, which may be the answer
        ('{"a": {}}', '{"a": []}', "a"),
        ("[1]", "[2]", "[]"),
        ("1", "2", "the whole answer"),
        ("not JSON", "1", "the whole answer"),
        ("9" * 5000, "1", "the whole answer"),
        ("[" * 20_000 + "]" * 20_000, "[]", "the whole answer"),
        ('{"a": 1e999999999}', '{"a": 1}', "a"),
    ],
)
def test_json_is_compared_by_what_it_means(first: str, second: str, path: str | None) -> None:
    assert first_difference(first, second) == path
    assert first_difference(second, first) == path
    assert first_difference(first, first) is None


def test_two_completions_match_if_they_say_the_same() -> None:
    other = json.loads(json.dumps(CHAT)) | {"id": "chatcmpl-2", "created": 2, "system_fingerprint": "fp_2"}
    other["usage"]["prompt_tokens_details"]["cached_tokens"] = 3
    other["choices"][0]["message"]["tool_calls"][0]["id"] = "call_2"
    assert first_difference(json.dumps(CHAT), json.dumps(other)) is None
    other["choices"][0]["message"]["content"] = "Lyon"
    assert first_difference(json.dumps(CHAT), json.dumps(other)) == "choices[].message.content"
