"""catalogue: the models that a project may name, each with its provider. No upstream is asked.

A provider that the project may use lists a model in three cases: the model has limits or prices there, the provider's options
map its name to another one, or one of the project's latest batches there named it. A simulator takes any name, and lists the
name `any`.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass

from batches.models import Batch, Project, ProviderGrant
from batches.rules.errors import NoProvider, NotFound
from batches.services.core.route import choose, granted_providers
from providers.models import Provider, ProviderModel

LATEST_BATCHES = 1000  # how many batches of a project are searched for models
SIMULATED = "any"


class ModelNotFound(NotFound):
    """There is no such model for this project."""

    code = "model_not_found"


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model at a provider.

    `id` is its plain name if create calls that name no provider go to this provider, or else `provider/name`.
    """

    id: str
    name: str
    provider: Provider

    @property
    def qualified(self) -> str:
        """The name with the provider before it. It means this model also if other providers have a model of this name."""
        return f"{self.provider.name}/{self.name}"


def models_of(project: Project) -> list[OfferedModel]:
    """The models that a project may name, by id."""
    providers = granted_providers(project)
    names = _names(project, providers)
    defaults = set(ProviderGrant.objects.filter(project=project, is_default=True).values_list("provider_id", flat=True))
    unnamed = _chosen_unnamed(providers, defaults)
    found: dict[str, OfferedModel] = {}
    for provider in sorted(providers, key=lambda each: (each.pk not in defaults, not each.is_default, each.name)):
        for name in names[provider.pk]:
            is_plain = provider.pk in unnamed and name not in found
            identifier = name if is_plain else f"{provider.name}/{name}"
            found[identifier] = OfferedModel(identifier, name, provider)
    return [found[identifier] for identifier in sorted(found)]


def _chosen_unnamed(providers: Sequence[Provider], defaults: Set[object]) -> set[object]:
    """The keys of the providers that carry out batches that name no provider, at one of their endpoints or more."""
    chosen: set[object] = set()
    for endpoint in {endpoint for provider in providers for endpoint in provider.endpoints}:
        with suppress(NoProvider):
            chosen.add(choose(providers, defaults=defaults, endpoint=endpoint, name=None).pk)
    return chosen


def find_model(models: Iterable[OfferedModel], text: str) -> OfferedModel:
    """The model with this id, or with this qualified name. Raises ModelNotFound."""
    for model in models:
        if text in (model.id, model.qualified):
            return model
    raise ModelNotFound(f"There is no model {text[:100]!r} for this project.".replace("\0", "␀"), param="model")


def _names(project: Project, providers: Iterable[Provider]) -> dict[object, set[str]]:
    """The names of models by the key of their provider."""
    known = {provider.pk: provider for provider in providers}
    names: dict[object, set[str]] = {provider.pk: set(_own_names(provider)) for provider in providers}
    for key, name in ProviderModel.objects.filter(provider__in=known).values_list("provider_id", "name"):
        names[key].add(name)
    latest = Batch.objects.filter(project=project).order_by("-created_at", "-id")
    for key, name, began in latest.values_list("provider_id", "model", "in_progress_at")[:LATEST_BATCHES]:
        if key in known and name and began:  # a batch that never began had a refused input
            names[key].add(name.removeprefix(f"{known[key].name}/"))
    return names


def _own_names(provider: Provider) -> Iterator[str]:
    """The names of models in the provider's settings."""
    mapped = provider.options.get("models")
    yield from mapped if isinstance(mapped, dict) else ()
    if provider.simulated:
        yield SIMULATED
