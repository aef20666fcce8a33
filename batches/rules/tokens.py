"""How many tokens a request may use, before it was sent: by its size, and by what it allows for its answer. Pure rules."""

from dataclasses import dataclass

import msgspec

BYTES_PER_TOKEN = 4  # of a request, roughly


class _Bounds(msgspec.Struct):
    model: str | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None


_decode_bounds = msgspec.json.Decoder(_Bounds).decode


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a request may use. `output` is None when it sets no limit to its answer."""

    input: int
    output: int | None
    model: str = ""

    @property
    def total(self) -> int:
        """In and out, as far as is known."""
        return self.input + (self.output or 0)


def tokens_of(body: bytes) -> Tokens:
    """What the request with this body may use. One whose bounds cannot be read sets none."""
    size = -(-len(body) // BYTES_PER_TOKEN)  # rounded up: a bound is never too low
    try:
        bounds = _decode_bounds(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Tokens(size, None)
    named = (bounds.max_tokens, bounds.max_completion_tokens, bounds.max_output_tokens)
    allowed = [bound for bound in named if bound is not None]
    return Tokens(size, max([*allowed, 0]) if allowed else None, bounds.model or "")
