"""serving: the batches that a provider could not carry out in the place of their own one, as far as the portal knows.

Each condition is about rows of batches, so that a database counts thousands of them at once. `route` decides about one batch.
"""

from django.db.models import Q

from batches.models import ProviderGrant
from providers.models import Provider

_NOTHING = Q(pk__in=())


def foreign_to(provider: Provider) -> Q:
    """Batches of projects that may not use the provider."""
    if provider.granted_to_all:
        return _NOTHING
    return ~Q(project__in=ProviderGrant.objects.filter(provider=provider).order_by().values("project"))


def unserved_by(provider: Provider) -> Q:
    """Batches for endpoints that the provider does not serve."""
    return ~Q(endpoint__in=provider.endpoints)


def unlisted_by(provider: Provider) -> Q:
    """Batches for a model that is not among those that the provider lists, if it lists any.

    A batch that asks for several models names none, and only its requests tell whether the provider lists all of them.
    """
    listed = listed_models(provider)
    return ~Q(model__in={*listed, ""}) if listed else _NOTHING


def listed_models(provider: Provider) -> set[str]:
    """The models that a provider has limits, prices or a name for. None for a simulator, which answers for any model."""
    if provider.simulated:
        return set()
    renamed = provider.options.get("models")
    return {*(model.name for model in provider.models.all()), *(renamed if isinstance(renamed, dict) else ())}
