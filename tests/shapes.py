"""Successes in the shapes of OpenAI's and Anthropic's endpoints, as the local upstream of the tests answers them."""

from typing import Any

import msgspec


def shaped(path: str, *, number: int, body: bytes) -> bytes:
    """A success in the endpoint's shape: 9 tokens in (4 of them cached), 3 out (1 of them reasoning)."""
    if path.endswith("/models"):
        return msgspec.json.encode({"object": "list", "data": [{"id": "m-small", "object": "model"}]})
    asked: Any = msgspec.json.decode(body) if body else {}
    head = {"id": f"answer-{number}", "model": asked.get("model") if isinstance(asked, dict) else None}
    if path.endswith("/embeddings"):
        data = [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}]
        return msgspec.json.encode({**head, "object": "list", "data": data, "usage": {"prompt_tokens": 9, "total_tokens": 9}})
    if "/images/" in path:
        return msgspec.json.encode({"created": 1, "data": [{"b64_json": "iVBORw0KGgo="}], "usage": {"total_tokens": 12}})
    if path.endswith("/videos"):
        return msgspec.json.encode({**head, "object": "video", "status": "queued", "progress": 0, "error": None})
    if path.endswith("/moderations"):
        return msgspec.json.encode({**head, "results": [{"flagged": False, "categories": {}, "category_scores": {}}]})
    if path.endswith("/responses"):
        usage = {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 1},
        }
        text = {"type": "output_text", "text": "four", "annotations": []}
        output = [{"type": "message", "role": "assistant", "content": [text]}]
        return msgspec.json.encode({**head, "object": "response", "status": "completed", "output": output, "usage": usage})
    if path.endswith("/messages"):
        usage = {"input_tokens": 4, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1, "output_tokens": 3}
        content = [{"type": "text", "text": "four"}]
        whole = {**head, "type": "message", "role": "assistant", "content": content, "stop_reason": "end_turn"}
        return msgspec.json.encode({**whole, "stop_sequence": None, "usage": usage})
    usage = {
        "prompt_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens": 3,
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    message = {"role": "assistant", "content": "four"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return msgspec.json.encode({**head, "object": "chat.completion", "choices": choices, "usage": usage})
