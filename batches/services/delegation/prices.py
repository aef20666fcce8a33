"""prices: what a row of a provider job cost, and what it would have cost directly."""

from collections.abc import Callable
from decimal import Decimal

from batches.models import ProviderJob
from providers.base import Usage
from providers.jobs.profiles import PROFILES
from providers.models import ProviderModel


class Prices:
    """The prices of the models at the provider of a job, read once."""

    def __init__(self, job: ProviderJob) -> None:
        profile = PROFILES.get(job.family)
        self._usual = profile.price_factor if profile is not None else None
        self._models = {model.name: model for model in ProviderModel.objects.filter(provider=job.provider_id)}

    @property
    def has_any(self) -> bool:
        """Whether any model has prices."""
        return bool(self._models)

    def factor(self, model: str) -> Decimal | None:
        """The share of the direct price that the batch API charges for a model; None if it is not known."""
        known = self._models.get(model)
        return known.batch_factor if known is not None and known.batch_factor is not None else self._usual

    def of_model(self, model: str) -> Callable[[Usage | None], tuple[int | None, int | None]]:
        """The cost of a row by its usage, and of the same row sent directly, in billionths of the currency. None is unknown."""
        known, factor = self._models.get(model), self.factor(model)
        if known is None:
            return lambda _: (None, None)

        def price(usage: Usage | None) -> tuple[int | None, int | None]:
            direct = known.cost_nanos(usage) if usage is not None else None
            return (None if direct is None or factor is None else round(direct * factor)), direct

        return price
