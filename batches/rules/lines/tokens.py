"""Estimates of the tokens of a request before it is sent, from its size and its limit for the answer. Pure rules."""

from dataclasses import dataclass

import msgspec

BYTES_PER_TOKEN = 4  # roughly, for the text of a request


class _Bounds(msgspec.Struct):
    model: str | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None


_decode_bounds = msgspec.json.Decoder(_Bounds).decode


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that a request may use. `output` is None if the request sets no limit to its answer."""

    input: int
    output: int | None
    model: str = ""

    @property
    def total(self) -> int:
        """Input and output together, as far as they are known."""
        return self.input + (self.output or 0)


def tokens_of(body: bytes) -> Tokens:
    """The tokens that the request with this body may use. A body whose limits cannot be read sets none."""
    size = -(-len(body) // BYTES_PER_TOKEN)  # rounded up: a bound is never too low
    try:
        bounds = _decode_bounds(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Tokens(size, None)
    named = (bounds.max_tokens, bounds.max_completion_tokens, bounds.max_output_tokens)
    allowed = [bound for bound in named if bound is not None]
    return Tokens(size, max([*allowed, 0]) if allowed else None, bounds.model or "")
