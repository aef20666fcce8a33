"""route: choose the provider that carries out a batch."""

from collections.abc import Iterable, Sequence, Set

from django.db.models import Q

from batches.models import Batch, Project, ProviderGrant
from batches.rules.errors import NoProvider
from providers.models import Provider


def granted(projects: Iterable[Project]) -> Q:
    """The condition of a provider that at least one of these projects may use, enabled or not. The only place of this rule."""
    return Q(granted_to_all=True) | Q(grants__project__in=projects)


def count_of_users(provider: Provider) -> int:
    """How many projects may use a provider."""
    return Project.objects.count() if provider.granted_to_all else provider.grants.count()


def granted_providers(project: Project) -> list[Provider]:
    """The enabled providers that a project may use, by name."""
    return list(Provider.objects.enabled().filter(granted([project])).distinct())


def further_endpoints(project: Project) -> list[str]:
    """The endpoints that operators have added to a project's providers besides those of their adapters."""
    return sorted({endpoint for provider in granted_providers(project) for endpoint in provider.further_endpoints})


def other_providers(batch: Batch) -> list[Provider]:
    """The other providers that could carry out a batch: enabled, usable by its project, and serving its endpoint."""
    serving = [provider for provider in granted_providers(batch.project) if batch.endpoint in provider.endpoints]
    return [provider for provider in serving if provider.pk != batch.provider_id]


def route(project: Project, *, endpoint: str, name: str | None = None) -> Provider:
    """The provider for an endpoint: the named one, or else the project's default, or else the portal's default.

    Raises NoProvider. Its message names the endpoint and a remedy.
    """
    defaults = ProviderGrant.objects.filter(project=project, is_default=True).values_list("provider_id", flat=True)
    return choose(granted_providers(project), defaults=set(defaults), endpoint=endpoint, name=name)


def choose(among: Sequence[Provider], *, defaults: Set[object], endpoint: str, name: str | None) -> Provider:
    """The rule of `route`, without queries. `defaults` are the ids of the project's own default providers.

    A simulator is chosen without being named only while there is no other provider.
    """
    if name is not None:
        for provider in among:
            if provider.name == name:
                if endpoint in provider.endpoints:
                    return provider
                serves = ", ".join(sorted(provider.endpoints)) or "nothing"
                raise NoProvider(f"Provider {name} does not serve {endpoint}. It serves {serves}.", param="endpoint")
        raise NoProvider(f"There is no provider {name} for this project.", param="provider")
    real = [provider for provider in among if not provider.simulated]
    serving = [provider for provider in real or among if endpoint in provider.endpoints]
    for preferred in (
        [provider for provider in serving if provider.id in defaults],
        [provider for provider in serving if provider.is_default],
        serving if len(serving) == 1 else [],
    ):
        if preferred:
            return preferred[0]
    if serving:
        known = ", ".join(provider.name for provider in serving)
        advice = f"Several providers serve {endpoint} ({known}) and none is the default: name one, or have an operator set one"
        raise NoProvider(f"{advice} (manage.py provider set {serving[0].name} --default).", param="endpoint")
    raise NoProvider(f"No provider that this project may use serves {endpoint}.", param="endpoint")
