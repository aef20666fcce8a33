"""accounts: linked accounts, which clients of the Merge dialect name by a token. Each account stands for one provider."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from batches.models import AccountToken, Project
from batches.models.account_token import token_digest
from batches.rules.actors import Actor
from batches.rules.errors import InvalidRequest, NotAuthenticated
from batches.services.core.audit import record_act
from batches.services.core.route import granted
from providers.models import Provider


class UnknownAccount(NotAuthenticated):
    """No linked account of this project has this X-Account-Token."""

    code = "invalid_account_token"


def linked_account(project: Project, text: str) -> Provider:
    """The provider of a token, or with this name. Raises UnknownAccount, which gives no reason.

    A disabled provider is found, too: its batches can still be read, and `route` gives it no new ones.
    """
    tokens = AccountToken.objects.filter(project=project, digest=token_digest(text), revoked_at=None)
    if token := tokens.select_related("provider").first():
        return token.provider
    named = _granted(project).filter(name=text).first() if text.isascii() and text.isprintable() else None
    if named is None:
        raise UnknownAccount
    return named


@transaction.atomic
def issue_token(project: Project, *, provider: Provider, actor: Actor, now: datetime) -> tuple[AccountToken, str]:
    """A new token and its plain text, which is shown only once. Raises InvalidRequest for a provider that is not granted."""
    require_granted(project, provider=provider)
    token, plain = AccountToken.issue(project=project, provider=provider)
    record_act("issue_token", actor=actor, now=now, target=token, project=project)
    return token, plain


@transaction.atomic
def revoke_token(token: AccountToken, *, actor: Actor, now: datetime, reason: str = "") -> bool:
    """Refuse this token from now on. False if it was revoked before; then it stays as it is."""
    if not AccountToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
        return False
    record_act("revoke_token", actor=actor, now=now, target=token, project=token.project, reason=reason)
    return True


def require_granted(project: Project, *, provider: Provider) -> None:
    """Raise InvalidRequest for a provider that the project may not use."""
    if not _granted(project).filter(pk=provider.pk).exists():
        raise InvalidRequest(f"Project {project} may not use provider {provider}.", param="provider")


def _granted(project: Project) -> QuerySet[Provider]:
    return Provider.objects.filter(granted([project])).distinct()
