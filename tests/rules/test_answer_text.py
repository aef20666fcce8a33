import json

import pytest

from batches.rules.answer_text import read_answer


def chat(**message: object) -> dict[str, object]:
    return {"model": "m-1", "choices": [{"message": {"content": "Hello", **message}}]}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (chat(), "Hello"),
        (chat(tool_calls=[]), "Hello"),
        ({"choices": [{"text": "Hello"}]}, "Hello"),
        ({"content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]}, "Hello"),
        (
            {"output": [{"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]},
            "Hello",
        ),
        (chat(tool_calls=[{"id": "call_1"}]), None),
        (chat(content=None), None),
        ({"choices": [{"text": "a"}, {"text": "b"}]}, None),
        ({"content": [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "1"}]}, None),
        ({"content": []}, None),
        ({"output": [{"type": "function_call"}]}, None),
        ({"data": [{"embedding": [1]}]}, None),
        ([1, 2], None),
        ({"content": [{"type": "text", "text": 1}]}, None),
    ],
)
def test_an_answer_that_is_nothing_but_text_is_read_as_text(answer: object, text: str | None) -> None:
    body = json.dumps(answer)
    assert read_answer(body)[1] == (body if text is None else text)


def test_the_model_is_told_if_the_answer_names_one() -> None:
    assert read_answer(json.dumps(chat()))[0] == "m-1"
    assert read_answer('{"model": 5}')[0] == ""
    assert read_answer("nonsense") == ("", "nonsense")
