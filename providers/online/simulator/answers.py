"""The simulator's successes: made-up answers in the shape of each endpoint, marked as simulated."""

import base64
import struct
import uuid
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec

from providers.base import ACCOUNTING_ENDPOINTS
from providers.online.simulator import messages, structured
from providers.online.simulator.patterns import Unfit
from providers.online.simulator.refusals import Refusal, made_up_id
from providers.transport import Reply

MARK = "simulated"
CREATED_AT = 1_767_225_600  # the same for every answer: answers depend on the request alone
DEFAULT_DIMENSIONS = 16
MAX_DIMENSIONS = 4096
MAX_ITEMS = 2048  # the most inputs of one request that are answered; real upstreams have the same limit
_QUOTED_CHARS = 200
_NUMBER_BYTES = 9  # the bytes of one number of a vector, with its comma
_ITEM_BYTES = 60  # the bytes around a vector
_CENTRED = [byte - 127.5 for byte in range(256)]
_SQUARES = [number * number for number in _CENTRED]
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


def size_of(endpoint: str, request: dict[str, Any]) -> int:
    """About how many bytes a success would have, for endpoints where a short request may ask for a long answer; 0 for others."""
    if endpoint != "/v1/embeddings":
        return 0
    dimensions = _dimensions(request)
    vector = 4 * (4 * dimensions + 2) // 3 if request.get("encoding_format") == "base64" else _NUMBER_BYTES * dimensions
    return len(_items(request["input"])) * (vector + _ITEM_BYTES)


def answer(endpoint: str, request: dict[str, Any], *, digest: bytes) -> Reply:
    """A success in the shape of the endpoint; a refusal if no answer fits the request."""
    try:
        document = _ANSWERS[endpoint](request, digest)
    except Unfit as problem:
        return Refusal(f"The simulator can make no such answer: {problem}.").reply(digest)
    return Reply(200, {"x-request-id": made_up_id("req_sim_", digest)}, msgspec.json.encode(document))


def _asked(value: Any) -> str:
    """The last text in a prompt. The prompt is a string, messages, or content parts."""
    match value:
        case str():
            return value
        case [*_, last]:
            return _asked(last)
        case {"content": content}:
            return _asked(content)
        case {"text": str(text)}:
            return text
        case _:
            return "your request"


def _text(value: Any) -> str:
    asked = " ".join(_asked(value).split())
    return f"Simulated answer to: {asked[:_QUOTED_CHARS]}"


def _tokens(value: Any) -> int:
    """An estimate of tokens: one for four characters."""
    return len(msgspec.json.encode(value)) // 4 + 1


def _chat(request: dict[str, Any], digest: bytes) -> dict[str, Any]:
    message, reason = structured.chat_message(request, _text(request["messages"]), identifier=partial(made_up_id, digest=digest))
    spent, made = _tokens(request["messages"]), _tokens(message["content"] or message)
    return {
        "id": made_up_id("chatcmpl-sim-", digest),
        "object": "chat.completion",
        "created": CREATED_AT,
        "model": request["model"],
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": reason,
            }
        ],
        "usage": _chat_usage(spent, made),
        "system_fingerprint": MARK,
    }


def _completion(request: dict[str, Any], digest: bytes) -> dict[str, Any]:
    text = _text(request["prompt"])
    return {
        "id": made_up_id("cmpl-sim-", digest),
        "object": "text_completion",
        "created": CREATED_AT,
        "model": request["model"],
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}],
        "usage": _chat_usage(_tokens(request["prompt"]), _tokens(text)),
        "system_fingerprint": MARK,
    }


def _chat_usage(spent: int, made: int) -> dict[str, Any]:
    return {
        "prompt_tokens": spent,
        "completion_tokens": made,
        "total_tokens": spent + made,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _response(request: dict[str, Any], digest: bytes) -> dict[str, Any]:
    output = structured.response_output(request, _text(request["input"]), identifier=partial(made_up_id, digest=digest))
    spent, made = _tokens(request["input"]), _tokens(output[0]["content"][0]["text"] if "content" in output[0] else output)
    return {
        "id": made_up_id("resp_sim_", digest),
        "object": "response",
        "created_at": CREATED_AT,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {"answered_by": MARK},
        "model": request["model"],
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": spent,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": spent + made,
        },
    }


def _items(value: Any) -> list[Any]:
    """The inputs of a request, which takes one input or a list. A list of token numbers is one input."""
    if isinstance(value, list) and not all(isinstance(item, int) for item in value):
        return value[:MAX_ITEMS]
    return [value]


def _dimensions(request: dict[str, Any]) -> int:
    wanted = request.get("dimensions")
    return min(wanted, MAX_DIMENSIONS) if isinstance(wanted, int) and wanted > 0 else DEFAULT_DIMENSIONS


def _embeddings(request: dict[str, Any], _: bytes) -> dict[str, Any]:
    dimensions, packed = _dimensions(request), request.get("encoding_format") == "base64"
    data = []
    for index, item in enumerate(_items(request["input"])):
        vector = _vector(item, dimensions)
        found = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode() if packed else vector
        # Vectors are encoded one by one, because the encoder holds the GIL.
        data.append({"object": "embedding", "index": index, "embedding": msgspec.Raw(msgspec.json.encode(found))})
    spent = _tokens(request["input"])
    usage = {"prompt_tokens": spent, "total_tokens": spent}
    return {"object": "list", "data": data, "model": request["model"], "usage": usage, "system_fingerprint": MARK}


def _vector(item: Any, dimensions: int) -> list[float]:
    """A vector of length 1 that depends on the input alone."""
    seed = blake2b(msgspec.json.encode(item), digest_size=32).digest()
    raw = b"".join(blake2b(seed, digest_size=64, salt=n.to_bytes(4, "big")).digest() for n in range((dimensions + 63) // 64))
    raw = raw[:dimensions]
    length = sum(map(_SQUARES.__getitem__, raw)) ** 0.5
    numbers = [round(number / length, 6) for number in _CENTRED]
    return list(map(numbers.__getitem__, raw))


def _moderation(request: dict[str, Any], digest: bytes) -> dict[str, Any]:
    names = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")
    result = {"flagged": False, "categories": dict.fromkeys(names, False), "category_scores": dict.fromkeys(names, 0.0)}
    return {
        "id": made_up_id("modr-sim-", digest),
        "model": request["model"],
        "results": [result for _ in _items(request["input"])],
        "system_fingerprint": MARK,
    }


def _image(request: dict[str, Any], _: bytes) -> dict[str, Any]:
    spent = _tokens(request["prompt"])
    return {
        "created": CREATED_AT,
        "data": [{"b64_json": _PIXEL, "revised_prompt": _text(request["prompt"])}],
        "usage": {"input_tokens": spent, "output_tokens": 1, "total_tokens": spent + 1},
        "system_fingerprint": MARK,
    }


def _video(request: dict[str, Any], digest: bytes) -> dict[str, Any]:
    return {
        "id": made_up_id("video_sim_", digest),
        "object": "video",
        "created_at": CREATED_AT,
        "status": "completed",
        "progress": 100,
        "model": request["model"],
        "prompt": _text(request["prompt"]),
        "seconds": "4",
        "size": "720x1280",
        "error": None,
        "system_fingerprint": MARK,
    }


def _message(request: dict[str, Any], digest: bytes) -> dict[str, Any]:
    text = _text(request["messages"])
    content, reason = structured.message_content(request, text, identifier=partial(made_up_id, digest=digest))
    spent, made = _tokens(request["messages"]), _tokens(content[0].get("text", content))
    identifier = made_up_id("msg_sim_", digest)
    return messages.message(request, identifier=identifier, content=content, reason=reason, spent=spent, made=made)


def _record(_: dict[str, Any], digest: bytes) -> dict[str, Any]:
    remote_id = made_up_id("sim-", digest[:6])
    return {"id": str(uuid.UUID(bytes=digest, version=4)), "remote_id": remote_id, "answered_by": MARK}


_ANSWERS: dict[str, Callable[[dict[str, Any], bytes], dict[str, Any]]] = {
    "/v1/responses": _response,
    "/v1/chat/completions": _chat,
    "/v1/embeddings": _embeddings,
    "/v1/completions": _completion,
    "/v1/moderations": _moderation,
    "/v1/images/generations": _image,
    "/v1/images/edits": _image,
    "/v1/videos": _video,
    "/v1/messages": _message,
    **dict.fromkeys(ACCOUNTING_ENDPOINTS, _record),
}
