"""What the requests of a batch may use and cost, before any was sent. What is not known stays unknown."""

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from providers.base import Usage
from providers.models import Provider

BYTES_PER_TOKEN = 4  # roughly
WITHOUT_ANSWER_TOKENS = frozenset({"/v1/embeddings", "/v1/moderations"})


class _Line(msgspec.Struct):
    body: msgspec.Raw


class _Bounds(msgspec.Struct):
    model: str | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_bounds = msgspec.json.Decoder(_Bounds).decode


@dataclass(slots=True)
class Estimate:
    """Adds up requests of one endpoint: a token for every four bytes sent, and as many answered as each request allows."""

    endpoint: str
    input_bytes: int = 0
    tokens: dict[str, Usage] = field(default_factory=dict)  # by model
    unbounded: bool = False  # a request sets no limit to its answer
    cost: Decimal | None = None  # see `price`

    @property
    def input_tokens(self) -> int | None:
        """None where tokens mean nothing."""
        return sum(used.input or 0 for used in self.tokens.values()) if self.endpoint.startswith("/v1/") else None

    @property
    def output_tokens(self) -> int | None:
        """At most so many; None when a request sets no limit, or tokens mean nothing."""
        if self.unbounded or self.input_tokens is None:
            return None
        return sum(used.output or 0 for used in self.tokens.values())

    def add(self, line: bytes) -> None:
        """One line of an input file; what validation will refuse does not count."""
        try:
            body = bytes(_decode_line(line).body)
            bounds = _decode_bounds(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        self.input_bytes += len(body)
        allowed = [
            bound for bound in (bounds.max_tokens, bounds.max_completion_tokens, bounds.max_output_tokens) if bound is not None
        ]
        if not allowed and self.endpoint not in WITHOUT_ANSWER_TOKENS:
            self.unbounded = True
        model = bounds.model or ""
        known = self.tokens.get(model, Usage())
        size = -(-len(body) // BYTES_PER_TOKEN)
        self.tokens[model] = Usage(input=(known.input or 0) + size, output=(known.output or 0) + max([*allowed, 0]))

    def price(self, provider: Provider | None) -> None:
        """Set the cost at this provider; None unless all tokens and every price are known."""
        self.cost = None
        if provider is None or not self.tokens or self.output_tokens is None:
            return
        models = {model.name: model for model in provider.models.filter(name__in=self.tokens)}
        costs = [models[name].cost_nanos(used) if name in models else None for name, used in self.tokens.items()]
        known = [cost for cost in costs if cost is not None]
        if len(known) == len(costs):
            self.cost = Decimal(sum(known)).scaleb(-9)
