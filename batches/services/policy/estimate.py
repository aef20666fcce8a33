"""Estimates: the tokens and cost of a batch's requests before any is sent. Unknown numbers stay None."""

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from batches.rules.display.counted import amount_of
from batches.rules.lines.tokens import tokens_of
from providers.base import Usage
from providers.models import Provider

WITHOUT_ANSWER_TOKENS = frozenset({"/v1/embeddings", "/v1/moderations"})


class _Line(msgspec.Struct):
    body: msgspec.Raw


_decode_line = msgspec.json.Decoder(_Line).decode


@dataclass(slots=True)
class Estimate:
    """The sum over requests of one endpoint: one input token for four bytes, and as many output tokens as a request allows."""

    endpoint: str
    default_model: str = ""  # the model of every request, if the create call names one
    input_bytes: int = 0
    tokens: dict[str, Usage] = field(default_factory=dict)  # by model
    unbounded: bool = False  # whether some request sets no limit to its answer
    cost: Decimal | None = None  # see `price`

    @property
    def input_tokens(self) -> int | None:
        """How many input tokens the requests have; None for an endpoint without tokens."""
        return sum(used.input or 0 for used in self.tokens.values()) if self.endpoint.startswith("/v1/") else None

    @property
    def output_tokens(self) -> int | None:
        """How many output tokens the answers have at most; None if a request sets no limit, or the endpoint has no tokens."""
        if self.unbounded or self.input_tokens is None:
            return None
        return sum(used.output or 0 for used in self.tokens.values())

    def add(self, line: bytes) -> None:
        """Add one line of an input file. A line that cannot be read does not count, since validation will refuse it."""
        try:
            body = bytes(_decode_line(line).body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        self.input_bytes += len(body)
        used = tokens_of(body)
        if used.output is None and self.endpoint not in WITHOUT_ANSWER_TOKENS:
            self.unbounded = True
        model = self.default_model or used.model
        known = self.tokens.get(model, Usage())
        self.tokens[model] = Usage(input=(known.input or 0) + used.input, output=(known.output or 0) + (used.output or 0))

    def price(self, provider: Provider | None) -> None:
        """Set the cost at this provider; None unless all tokens and every price are known."""
        self.cost = None
        if provider is None or not self.tokens or self.output_tokens is None:
            return
        models = {model.name: model for model in provider.models.filter(name__in=self.tokens)}
        costs = [models[name].cost_nanos(used) if name in models else None for name, used in self.tokens.items()]
        known = [cost for cost in costs if cost is not None]
        if len(known) == len(costs):
            self.cost = amount_of(sum(known))
