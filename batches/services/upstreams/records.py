"""records: what the records of acts on providers tell, also of a provider that another one replaced as the default."""

from datetime import datetime

from batches.models import Project
from batches.rules.actors import Actor
from batches.rules.changes import Changes
from batches.services.core.audit import changed, plainly, record_act
from providers.models import Provider

# The switch and the secrets have records of their own.
APART = frozenset({"enabled", "credential_encrypted", "credential_env", "credential_file", "secrets_encrypted"})


def settings_changed(before: Provider | None, after: Provider | None) -> Changes:
    """The settings that differ between two states of a provider; None stands for no provider."""
    return {name: pair for name, pair in changed(before, after).items() if name not in APART}


def take_default(provider: Provider, *, actor: Actor, now: datetime) -> None:
    """Make a provider the portal's default. The record of each former default says that it is none any more."""
    defaults = list(Provider.objects.filter(is_default=True).exclude(pk=provider.pk))
    provider.take_default()
    for other in defaults:
        if other.endpoints & provider.endpoints:
            record_no_default(other, project=None, actor=actor, now=now)


def record_no_default(provider: Provider, *, project: Project | None, actor: Actor, now: datetime) -> None:
    """Record that another provider has replaced this one as the default of a project, or of the portal."""
    changes = plainly(is_default=(True, False))
    record_act("change_provider", actor=actor, now=now, target=provider, project=project, changes=changes)
