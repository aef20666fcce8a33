"""providers: add and remove upstreams, and decide who may use them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now

from batches.errors import Conflict
from batches.models import Project, ProviderGrant
from batches.services.refusals import refused
from providers.models import Provider


@transaction.atomic
def add_provider(
    name: str,
    *,
    adapter: str,
    base_url: str = "",
    credential: str = "",
    credential_env: str = "",
    options: Mapping[str, Any] | None = None,
    max_concurrency: int = 256,
    projects: Sequence[Project] = (),
    default: bool = False,
) -> Provider:
    """A new provider for these projects, or for all when none are named; as their default, or the portal's, if wanted.

    Raises InvalidRequest, naming every setting that is wrong.
    """
    provider = Provider(
        name=name,
        adapter=adapter,
        base_url=base_url,
        options=dict(options or {}),
        max_concurrency=max_concurrency,
        granted_to_all=not projects,
    )
    with refused():
        provider.set_credential(credential)
        provider.credential_env = credential_env
        provider.full_clean()
    provider.save()
    for project in projects:
        grant(provider, project=project, default=default)
    if default and not projects:
        provider.take_default()
    return provider


@transaction.atomic
def grant(provider: Provider, *, project: Project, default: bool = False) -> ProviderGrant:
    """Let a project use a provider; as its default, instead of those that serve some of the same endpoints."""
    if default:
        for other in ProviderGrant.objects.filter(project=project, is_default=True).select_related("provider"):
            if other.provider.endpoints & provider.endpoints:
                ProviderGrant.objects.filter(pk=other.pk).update(is_default=False)
    granted, _ = ProviderGrant.objects.update_or_create(
        project=project, provider=provider, defaults={"is_default": True} if default else {}
    )
    return granted


def enable_provider(provider: Provider) -> None:
    """Let new batches use it again."""
    Provider.objects.filter(pk=provider.pk).update(enabled=True, updated_at=Now())


def disable_provider(provider: Provider) -> None:
    """Send it nothing: it gets no new batches, and running ones wait."""
    Provider.objects.filter(pk=provider.pk).update(enabled=False, updated_at=Now())


def remove_provider(provider: Provider) -> None:
    """Forget a provider. Raises Conflict when batches use it, also ended ones: their history names it."""
    try:
        provider.delete()
    except ProtectedError:
        name, used = provider.name, provider.batches.count()
        count = "1 batch" if used == 1 else f"{used} batches"
        raise Conflict(f"Provider {name} has {count} and stays. To stop new ones: manage.py provider disable {name}") from None


@transaction.atomic
def rotate_credentials() -> int:
    """Encrypt every stored credential anew under the first of CREDENTIAL_KEYS. How many there were.

    Raises providers.models.CredentialUnavailable, and changes nothing, when one cannot be deciphered.
    """
    kept = list(Provider.objects.select_for_update().exclude(credential_encrypted=b""))
    for provider in kept:
        provider.rotate_credential()
        provider.save(update_fields=["credential_encrypted", "updated_at"])
    return len(kept)
