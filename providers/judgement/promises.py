"""What the answer of an endpoint must hold to be one: a struct for each shape, which a success decodes into at once.

Whatever does not decode is looked at closely (`answers`): it may be an odd success, an error, or nothing of use.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from providers.judgement.usage import Reported


class _Part(msgspec.Struct, gc=False):
    """An object whose inside is not looked at."""


class Answer(msgspec.Struct, gc=False, kw_only=True):
    """What every answer may say. An error in it is none only when it is null."""

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
    """The output may be empty where the tokens did not suffice for any. Any other status than these is not final, or failed."""

    output: list[_Part]
    status: Literal["completed", "incomplete"] | None = None


class _Message(Answer, gc=False):
    """The model may have nothing to say: then the content is empty."""

    content: list[_Part]


class _Video(Answer, gc=False):
    """The job that makes the video; the client asks for it later."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    status: Literal["queued", "in_progress", "completed"] | None = None


class _Anything(Answer, gc=False):
    """A document that nothing is known of, such as a record that was written."""

    errors: None = None
    detail: None = None
    success: Any = None
    type: Any = None
    object: Any = None
    message: None = None  # whose message it is, a closer look tells
    msg: None = None

    @property
    def is_flawed(self) -> bool:
        return self.success is False or self.type == "error" or self.object == "error"


class Promise:
    """What an endpoint's answer must hold, in `name`; an empty name promises nothing but JSON."""

    def __init__(self, shape: type[Answer], name: str = "", *, answers_in_tokens: bool = True) -> None:
        self.name = name
        self.answers_in_tokens = answers_in_tokens
        self.decode: Callable[[bytes], Answer] = msgspec.json.Decoder(shape).decode
        self._shape = shape

    def is_kept_by(self, document: Any) -> bool:
        """Whether a document holds it; its usage and its errors are not looked at."""
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
    """What an endpoint promises; of one that is not known, any JSON document will do."""
    return _PROMISES.get(endpoint, ANYTHING)
