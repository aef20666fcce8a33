"""tune: set limits, guards, batch API and prices of a provider and of its models."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import CharField

from batches.rules.actors import Actor
from batches.rules.errors import InvalidRequest, NotFound
from batches.services.core.audit import changed, record_act, stored
from batches.services.core.model_validation import model_validation
from batches.services.policy.delegation import family_changed
from batches.services.policy.guards import GUARDS
from providers.models import Provider, ProviderModel

# Of the provider's own batch API.
JOB_SETTINGS = ("jobs_family", "max_open_jobs", "execution", "jobs_region")
PROVIDER_SETTINGS = ("max_concurrency", "requests_per_minute", "tokens_per_minute", *GUARDS, *JOB_SETTINGS)
PRICES = ("input_price", "cached_price", "output_price", "batch_factor")
MODEL_SETTINGS = ("max_concurrency", "requests_per_minute", "tokens_per_minute", *PRICES)


@transaction.atomic
def tune_provider(provider: Provider, *, settings: Mapping[str, object], actor: Actor, now: datetime) -> Provider:
    """Change limits, guards and the batch API of a provider, by name (see PROVIDER_SETTINGS). None removes one. Others stay.

    With another batch API, or none, jobs that were not sent yet are taken back; those at the provider come home. Raises
    InvalidRequest, naming the setting that is out of bounds, and changes nothing.
    """
    provider = Provider.objects.select_for_update().get(pk=provider.pk)
    before = Provider.objects.get(pk=provider.pk)
    _set(provider, settings, known=PROVIDER_SETTINGS)
    provider.save(update_fields=[*settings, "updated_at"])
    jobs = family_changed(before, provider, by=actor.name, now=now)
    changes = changed(before, provider)
    record_act("tune_provider", actor=actor, now=now, target=provider, reason=jobs.sentence, changes=changes)
    return provider


@transaction.atomic
def tune_model(provider: Provider, name: str, *, settings: Mapping[str, object], actor: Actor, now: datetime) -> ProviderModel:
    """Set limits and prices of a model, by name (see MODEL_SETTINGS). Others stay. An unknown model is created.

    A price is per million tokens. None is an unknown price. Costs until now keep their old price. Raises InvalidRequest,
    naming the setting that is out of bounds, and changes nothing.
    """
    Provider.objects.select_for_update().get(pk=provider.pk)  # two calls must not create the same model at once
    model = provider.models.filter(name=name).first() or ProviderModel(provider=provider, name=name)
    before = stored(model)
    _set(model, settings, known=MODEL_SETTINGS)
    model.save()
    record_act("tune_model", actor=actor, now=now, target=model, reason=f"At {provider}.", changes=changed(before, model))
    return model


@transaction.atomic
def forget_model(provider: Provider, name: str, *, actor: Actor, now: datetime) -> None:
    """Remove the limits and prices of a model. Raises NotFound."""
    model = provider.models.filter(name=name).first()
    if model is None:
        raise NotFound(f"Provider {provider} has no settings for a model {name[:100]!r}.", param="model")
    record_act("forget_model", actor=actor, now=now, target=model, reason=f"At {provider}.", changes=changed(model, None))
    model.delete()


def _set(row: Provider | ProviderModel, settings: Mapping[str, object], *, known: tuple[str, ...]) -> None:
    if unknown := [name for name in settings if name not in known]:
        raise InvalidRequest(f"There is no setting {unknown[0]}; there are {', '.join(known)}.", param=unknown[0])
    for name, value in settings.items():
        setattr(row, name, "" if value is None and isinstance(row._meta.get_field(name), CharField) else value)
    with model_validation():
        row.full_clean()
