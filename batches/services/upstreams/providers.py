"""providers: add, change, check and remove providers, and decide which projects may use them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now

from batches.models import Project, ProviderGrant
from batches.rules.actors import Actor
from batches.rules.display.counted import counted
from batches.rules.errors import Conflict, InvalidRequest
from batches.services.core import wake
from batches.services.core.audit import hidden, plainly, record_act
from batches.services.core.model_validation import model_validation
from batches.services.tally.provider_health import ask_for_probe, ask_to_resume
from batches.services.upstreams.former import carry_jobs, keep_former, rotate_former
from batches.services.upstreams.moves import Entered, leave_behind, problems
from batches.services.upstreams.records import record_no_default, settings_changed, take_default
from providers.base import Check
from providers.check import check
from providers.models import CredentialUnavailable, Provider

CREDENTIAL_FIELDS = frozenset({"credential", "credential_env", "credential_file", "remove_credential"})  # of a form


class Credential(NamedTuple):
    """A credential to be stored, or the name of the variable or file that holds it. All empty means no credential."""

    secret: str = ""
    variable: str = ""
    file: str = ""


@transaction.atomic
def add_provider(
    name: str,
    *,
    adapter: str,
    actor: Actor,
    now: datetime,
    base_url: str = "",
    credential: str = "",
    credential_env: str = "",
    credential_file: str = "",
    options: Mapping[str, Any] | None = None,
    max_concurrency: int = 256,
    projects: Sequence[Project] = (),
    default: bool = False,
) -> Provider:
    """Add a provider for these projects, or for all projects if none are named. `default` makes it their default, too.

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
    with model_validation():
        _set_credential(provider, credential, variable=credential_env, file=credential_file)
        provider.full_clean()
    _seal(provider, entered=Entered(credential), actor=actor)
    if default and not projects:
        _lock_all()
    provider.save()
    record_act("add_provider", actor=actor, now=now, target=provider, changes=settings_changed(None, provider))
    for project in projects:
        grant(provider, project=project, actor=actor, now=now, default=default)
    if default and not projects:
        take_default(provider, actor=actor, now=now)
    return provider


@transaction.atomic
def change_provider(
    provider: Provider,
    *,
    changed: Collection[str],
    actor: Actor,
    now: datetime,
    credential: str = "",
    secrets: Collection[str] = (),
) -> None:
    """Save a provider whose `changed` settings have been validated.

    A `credential` replaces the old one, or proves that the actor knows the value of a variable. `secrets` names the secrets of
    options that were set. A new default replaces the defaults that serve some of the same endpoints. Raises InvalidRequest if
    a secret must be entered again.
    """
    if provider.is_default and "is_default" in changed:
        _lock_all()
    before = Provider.objects.select_for_update().filter(pk=provider.pk).first()
    entered = Entered(credential, secrets)
    if credential and not (provider.credential_env or provider.credential_file):
        provider.set_credential(credential)
    _seal(provider, entered=entered, actor=actor)
    act = "change_provider" if before else "add_provider"
    provider.save()
    jobs = carry_jobs(before, provider, by=actor.name, now=now)
    if (settings := settings_changed(before, provider)) or before is None:
        record_act(act, actor=actor, now=now, target=provider, reason=jobs, changes=settings)
    if CREDENTIAL_FIELDS & set(changed):
        kept = "; ".join(filter(None, (provider.credential_kept, jobs)))
        record_act("set_credential", actor=actor, now=now, target=provider, reason=kept)
    if "secret_name" in changed:
        record_act("set_secret", actor=actor, now=now, target=provider, changes=hidden(secrets))
    if "enabled" in changed:
        act = "enable_provider" if provider.enabled else "disable_provider"
        record_act(act, actor=actor, now=now, target=provider)
    if provider.is_default and "is_default" in changed:
        take_default(provider, actor=actor, now=now)


@transaction.atomic
def grant(provider: Provider, *, project: Project, actor: Actor, now: datetime, default: bool = False) -> ProviderGrant:
    """Let a project use a provider. `default` replaces the project's defaults that serve some of the same endpoints."""
    if default:
        defaults = ProviderGrant.objects.select_for_update(of=("self",)).filter(project=project, is_default=True)
        for other in defaults.select_related("provider").order_by("pk"):
            if other.provider_id != provider.pk and other.provider.endpoints & provider.endpoints:
                ProviderGrant.objects.filter(pk=other.pk).update(is_default=False)
                record_no_default(other.provider, project=project, actor=actor, now=now)
    granted, _ = ProviderGrant.objects.update_or_create(
        project=project, provider=provider, defaults={"is_default": True} if default else {}
    )
    changes = plainly(is_default=(None, granted.is_default))
    record_act("grant_provider", actor=actor, now=now, target=provider, project=project, changes=changes)
    return granted


@transaction.atomic
def configure_provider(
    provider: Provider,
    *,
    actor: Actor,
    now: datetime,
    base_url: str | None = None,
    options: Mapping[str, Any] | None = None,
    credential: Credential | None = None,
) -> Provider:
    """Change the address of a provider, options of its adapter by name, and its credential. Other settings stay.

    An option that is None is removed. Raises InvalidRequest, naming every setting that is wrong or must be entered again, and
    changes nothing.
    """
    before = Provider.objects.select_for_update().get(pk=provider.pk)
    provider = Provider.objects.get(pk=provider.pk)
    if base_url is not None:
        provider.base_url = base_url
    changed = {**provider.options, **(options or {})}
    provider.options = {name: value for name, value in changed.items() if value is not None}
    with model_validation():
        if credential is not None:
            _set_credential(provider, credential.secret, variable=credential.variable, file=credential.file)
        provider.full_clean()
    _seal(provider, entered=Entered(credential.secret if credential else ""), actor=actor)
    provider.save()
    jobs = carry_jobs(before, provider, by=actor.name, now=now)
    if credential is not None:
        act = "set_credential" if any(credential) else "remove_credential"
        kept = "; ".join(filter(None, (provider.credential_kept, jobs)))
        record_act(act, actor=actor, now=now, target=provider, reason=kept)
    if base_url is not None or options:
        settings = settings_changed(before, provider)
        record_act("change_provider", actor=actor, now=now, target=provider, reason=jobs, changes=settings)
    return provider


@transaction.atomic
def set_secret(provider: Provider, name: str, *, secret: str, actor: Actor, now: datetime) -> None:
    """Encrypt and store a secret that options refer to by name, or replace it. An empty secret removes it.

    Raises InvalidRequest for an unusable secret, and for one that moves the provider (a proxy) while secrets are stored.
    Raises CredentialUnavailable when the other secrets cannot be deciphered.
    """
    kept = Provider.objects.select_for_update().get(pk=provider.pk)
    before = Provider.objects.get(pk=provider.pk)
    with model_validation():
        kept.set_secret(name, secret)
    _require_entered(kept, entered=Entered(secrets={name}), actor=actor)
    kept.save(update_fields=["secrets_encrypted", "updated_at"])
    keep_former(before, kept, now=now)
    record_act("set_secret" if secret else "remove_secret", actor=actor, now=now, target=provider, changes=hidden([name]))


@transaction.atomic
def make_default(provider: Provider, *, actor: Actor, now: datetime) -> None:
    """Make a provider the portal's default: it serves calls that name no provider, in projects without their own default.

    Raises InvalidRequest for a provider that is granted to some projects only. It can be made their default (see `grant`).
    """
    if not provider.granted_to_all:
        raise InvalidRequest(f"Provider {provider} is granted to some projects only: name those whose default it shall be.")
    changes = plainly(is_default=(provider.is_default, True))
    take_default(provider, actor=actor, now=now)
    record_act("change_provider", actor=actor, now=now, target=provider, changes=changes)


@transaction.atomic
def enable_provider(provider: Provider, *, actor: Actor, now: datetime, reason: str = "") -> None:
    """Let batches use a provider again. An enabled provider stays as it is."""
    if Provider.objects.filter(pk=provider.pk, enabled=False).update(enabled=True, updated_at=Now()):
        record_act("enable_provider", actor=actor, now=now, target=provider, reason=reason)


@transaction.atomic
def disable_provider(provider: Provider, *, actor: Actor, now: datetime, reason: str = "") -> None:
    """Send nothing to a provider: it gets no new batches, and running ones wait. A disabled provider stays as it is."""
    if Provider.objects.filter(pk=provider.pk, enabled=True).update(enabled=False, updated_at=Now()):
        record_act("disable_provider", actor=actor, now=now, target=provider, reason=reason)


def check_provider(provider: Provider, *, actor: Actor, now: datetime, model: str = "", endpoint: str = "") -> Check:
    """Try the connection for at most 10 seconds, and record the outcome. Must not be called in a transaction.

    With a model, one small call is tried, too, which costs money. After a success a provider that is held, or whose breaker is
    open, gets its next probe at once, because only a probe, a real request of a batch, shows whether it answers requests.
    """
    found = check(provider, model=model, endpoint=endpoint)
    with transaction.atomic():
        record_act("check_provider", actor=actor, now=now, target=provider, reason=found.message)
        if found.ok:
            ask_for_probe(provider, now=now)
            wake.execute()
    return found


@transaction.atomic
def resume_provider(provider: Provider, *, actor: Actor, now: datetime, reason: str = "") -> bool:
    """End the hold of a provider now, and the wait of its breaker. Return whether it waited.

    The hold begins again if the next request fails as before. A breaker that is tried closes when the next request is answered.
    """
    if not ask_to_resume(provider, now=now):
        return False
    record_act("resume_provider", actor=actor, now=now, target=provider, reason=reason)
    wake.execute()
    return True


@transaction.atomic
def remove_provider(provider: Provider, *, actor: Actor, now: datetime) -> None:
    """Remove a provider. Raises Conflict if any batch uses it, even an ended one, because its history names the provider."""
    record_act("remove_provider", actor=actor, now=now, target=provider, changes=settings_changed(provider, None))
    try:
        provider.delete()
    except ProtectedError:
        name, used = provider.name, provider.batches.count()
        count = counted(used, "batch", "batches")
        raise Conflict(f"Provider {name} has {count} and stays. To stop new ones: manage.py provider disable {name}") from None


@transaction.atomic
def rotate_credentials(*, actor: Actor, now: datetime) -> int:
    """Encrypt every stored credential anew under the first of CREDENTIAL_KEYS, also those that jobs keep. How many there are.

    Raises providers.models.CredentialUnavailable, and changes nothing, if one cannot be deciphered.
    """
    _lock_all()
    kept = list(Provider.objects.exclude(credential_encrypted=b"", secrets_encrypted=b""))
    for provider in kept:
        provider.rotate_credential()
        provider.save(update_fields=["credential_encrypted", "secrets_encrypted", "updated_at"])
        record_act("rotate_credential", actor=actor, now=now, target=provider)
    return len(kept) + rotate_former()


def _set_credential(provider: Provider, secret: str, *, variable: str, file: str) -> None:
    """Set a credential, or the name of the variable or file that holds one. With both, only the name is set. Does not save."""
    provider.set_credential(secret if not (variable or file) else "")
    provider.credential_env, provider.credential_file = variable, file


def _seal(provider: Provider, *, entered: Entered, actor: Actor) -> None:
    """Encrypt secrets in options, and forget the secrets of the old place. Does not save. Raises InvalidRequest."""
    try:
        entered = entered._replace(secrets={*entered.secrets, *provider.seal_headers()})
    except CredentialUnavailable as error:
        raise InvalidRequest(f"options: {error}", param="options") from error
    _require_entered(provider, entered=entered, actor=actor)
    leave_behind(provider, entered=entered)


def _require_entered(provider: Provider, *, entered: Entered, actor: Actor) -> None:
    if found := problems(provider, entered=entered, actor=actor):
        raise InvalidRequest(" ".join(f"{field}: {problem}" for field, problem in found.items()), param=next(iter(found)))


def _lock_all() -> None:
    """Lock every provider in the order of their ids, so that two acts that change several providers do not deadlock."""
    list(Provider.objects.select_for_update().order_by("pk").values_list("pk"))
