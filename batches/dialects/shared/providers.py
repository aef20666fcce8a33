"""The provider that a client names: in `model`, in the query, in a header or in the body, in this order of precedence."""

from rest_framework.request import Request

from batches.http.errors import InvalidValue
from batches.models import Project
from batches.rules.errors import NoProvider
from batches.services.core.route import granted_providers

HEADER = "x-model-provider"


def named_provider(request: Request) -> str | None:
    """The provider that a request names in its query or a header; None if it names none. Raises InvalidValue."""
    query = request.query_params
    name = query.get("provider") or query.get(HEADER) or request.headers.get(HEADER) or None
    if name and "\0" in name:
        raise InvalidValue("Invalid value for 'provider': it contains a NUL character.", param="provider")
    return name


def chosen_provider(project: Project, *, model: str | None, named: str | None) -> str | None:
    """The provider in `provider/model`, else the provider `named`; None if there is neither.

    The names of some models contain a slash. So if a provider is `named`, the word before the slash counts as a provider only
    if the project has a provider of this name.
    """
    prefix, slash, _ = (model or "").partition("/")
    if not slash or not prefix:
        return named
    return prefix if named is None else provider_of_model(project, model) or named


def provider_of_model(project: Project, model: str | None) -> str | None:
    """The word before the slash in a model's name, if the project may use a provider of this name; else None."""
    prefix, slash, _ = (model or "").partition("/")
    return prefix if slash and prefix in {provider.name for provider in granted_providers(project)} else None


def require_granted(project: Project, name: str) -> None:
    """Raise NoProvider unless the project may use a provider of this name."""
    if name not in {provider.name for provider in granted_providers(project)}:
        raise NoProvider(f"There is no provider {name[:100]} for this project.", param="provider")
