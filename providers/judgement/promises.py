"""Promises: the fields that a successful answer of an endpoint must have, as one struct for each shape of answer.

A normal success decodes into its struct in one step. Any other answer is judged by slower rules (`answers`): it may be an
odd success, an error, or nothing of use.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from providers.judgement.usage import Reported


class _Part(msgspec.Struct, gc=False):
    """A JSON object whose fields are not examined."""


class Answer(msgspec.Struct, gc=False, kw_only=True):
    """The fields that every answer may have. An answer whose `error` is anything but null does not decode."""

    usage: Reported | None = None
    error: None = None

    @property
    def is_flawed(self) -> bool:
        """Whether the answer decodes and reports an error all the same."""
        return False


class _Choice(msgspec.Struct, gc=False):
    error: None = None
    finish_reason: str | None = None


_Parts = Annotated[list[_Part], msgspec.Meta(min_length=1)]


class _Completion(Answer, gc=False):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]

    @property
    def is_flawed(self) -> bool:
        return self.choices[0].finish_reason == "error"


class _Data(Answer, gc=False):
    data: _Parts


class _Moderation(Answer, gc=False):
    results: _Parts


class _Response(Answer, gc=False):
    """A response. Its output is empty if the token limit left no room for any.

    A response with another status than these has failed, or is not final.
    """

    output: list[_Part]
    status: Literal["completed", "incomplete"] | None = None


class _Message(Answer, gc=False):
    """A message. Its content is empty if the model has nothing to say."""

    content: list[_Part]


class _Video(Answer, gc=False):
    """A job that makes a video. The client asks for the video later."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    status: Literal["queued", "in_progress", "completed"] | None = None


class _Anything(Answer, gc=False):
    """A document of unknown shape, such as a record that was written."""

    errors: None = None
    detail: None = None
    success: Any = None
    type: Any = None
    object: Any = None
    message: None = None  # a message may be a record's or an error's: the slower rules decide
    msg: None = None

    @property
    def is_flawed(self) -> bool:
        return self.success is False or self.type == "error" or self.object == "error"


class Promise:
    """The promise of an endpoint: its answer has the field `name`. If `name` is empty, the answer is any JSON document."""

    def __init__(self, shape: type[Answer], name: str = "", *, answers_in_tokens: bool = True) -> None:
        self.name = name
        self.answers_in_tokens = answers_in_tokens
        self.decode: Callable[[bytes], Answer] = msgspec.json.Decoder(shape).decode
        self._shape = shape

    def is_kept_by(self, document: Any) -> bool:
        """Whether a document has the promised field. The document's usage and errors are not examined."""
        if not self.name:
            return True
        if not isinstance(document, dict):
            return False
        looked_at = [name for name in self._shape.__struct_fields__ if name not in ("usage", "error")]
        rest = {name: document[name] for name in looked_at if name in document}
        if isinstance(choices := rest.get("choices"), list):
            rest["choices"] = [_without_error(choice) for choice in choices]
        try:
            msgspec.convert(rest, self._shape)
        except (msgspec.ValidationError, UnicodeEncodeError):  # the latter for half a surrogate pair
            return False
        return True


def _without_error(choice: Any) -> Any:
    return {"finish_reason": None} if isinstance(choice, dict) else choice


_COMPLETION = Promise(_Completion, "choices")
_PROMISES = {
    "/v1/chat/completions": _COMPLETION,
    "/v1/completions": _COMPLETION,
    "/v1/responses": Promise(_Response, "output"),
    "/v1/embeddings": Promise(_Data, "data", answers_in_tokens=False),
    "/v1/moderations": Promise(_Moderation, "results", answers_in_tokens=False),
    "/v1/images/generations": Promise(_Data, "data"),
    "/v1/images/edits": Promise(_Data, "data"),
    "/v1/videos": Promise(_Video, "id"),
    "/v1/messages": Promise(_Message, "content"),
}
ANYTHING = Promise(_Anything)


def promise_of(endpoint: str) -> Promise:
    """The promise of an endpoint. An unknown endpoint may answer with any JSON document."""
    return _PROMISES.get(endpoint, ANYTHING)
