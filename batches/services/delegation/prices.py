"""prices: what a row of a provider job cost, and what it would have cost directly."""

import sys
from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from batches.models import ProviderJob, Slice
from batches.rules.errors import Gone
from batches.rules.lines import jsonl
from batches.rules.lines.tokens import tokens_of
from batches.services.results.results import slice_lines
from providers.base import Usage
from providers.jobs.profiles import PROFILES
from providers.models import ProviderModel

Price = Callable[[Usage | None], tuple[int | None, int | None]]


class Prices:
    """The prices of the models at the provider of a job, read once."""

    def __init__(self, job: ProviderJob) -> None:
        profile = PROFILES.get(job.family)
        self._usual = profile.price_factor if profile is not None else None
        self._models = {model.name: model for model in ProviderModel.objects.filter(provider=job.provider_id)}
        self._job_model = job.model
        self._named = _models_of_lines(job) if self._models and not job.model else {}
        self._prices: dict[str, Price] = {}

    def factor(self, model: str) -> Decimal | None:
        """The share of the direct price that the batch API charges for a model; None if it is not known."""
        known = self._models.get(model)
        return known.batch_factor if known is not None and known.batch_factor is not None else self._usual

    def of_line(self, line: int) -> Price:
        """The price of the request at a line. See `of_model`."""
        name = self._named.get(line, self._job_model)
        if name not in self._prices:
            self._prices[name] = self.of_model(name)
        return self._prices[name]

    def of_model(self, model: str) -> Price:
        """The cost of a row by its usage, and of the same row sent directly, in billionths of the currency. None is unknown."""
        known, factor = self._models.get(model), self.factor(model)
        if known is None:
            return lambda _: (None, None)

        def price(usage: Usage | None) -> tuple[int | None, int | None]:
            direct = known.cost_nanos(usage) if usage is not None else None
            return (None if direct is None or factor is None else round(direct * factor)), direct

        return price


def _models_of_lines(job: ProviderJob) -> Mapping[int, str]:
    """The models that the lines of a job name, where its batch has several. Without its input nobody knows them.

    Raises StorageAway.
    """
    found: dict[int, str] = {}
    pieces = Slice.objects.filter(batch=job.batch_id, first_line__lte=job.last_line, last_line__gte=job.first_line)
    for piece in pieces.order_by("first_line"):
        try:
            lines = slice_lines(job.batch, piece)
        except Gone:
            continue
        for line, content in lines.items():
            try:
                found[line] = sys.intern(tokens_of(bytes(jsonl.read_request(content).body)).model)
            except (msgspec.DecodeError, RecursionError):
                continue
    return found
