"""former: the credential and address that jobs at a batch API were created with, kept when the provider gets others.

A provider shows a job only to the account that created it. So the jobs that exist when a credential is replaced keep the old
one, encrypted, with the address and the options that belong to it, until nothing of them is left at the provider.
"""

from collections.abc import Iterable
from copy import copy
from datetime import datetime
from typing import Any

import msgspec
from django.db.models import Q

from batches.models import ProviderJob
from batches.rules.display.counted import counted
from batches.rules.execution import AT_PROVIDER
from batches.services.policy.delegation import family_changed
from providers.base import Connection
from providers.models import CredentialUnavailable, Provider
from providers.secrets.references import referred
from providers.secrets.secrecy import opened, resealed, sealed_credential
from providers.secrets.sources import Missing

# The options that do not say which account a call belongs to, nor where it goes.
_INDIFFERENT = frozenset({"proxy", "ca", "client_certificate", "client_key", "models", "further_endpoints", "beta"})


class _Former(msgspec.Struct, frozen=True):
    """The settings with which a provider was reached. A variable or file is named if its value was out of reach."""

    credential: str = ""
    env: str = ""
    file: str = ""
    options: dict[str, Any] = {}
    secrets: dict[str, str] = {}


def carry_jobs(before: Provider | None, provider: Provider, *, by: str, now: datetime) -> str:
    """See to the open jobs of a provider that has changed. A sentence about them; empty if nothing becomes of them.

    Must be called in the transaction of the change, under a lock of the provider.
    """
    if before is None:
        return ""
    kept = keep_former(before, provider, now=now)
    found = [f"{counted(kept, 'job keeps its', 'jobs keep their')} former credential and address."] if kept else []
    return " ".join([*found, family_changed(before, provider, by=by, now=now).sentence]).strip()


def keep_former(before: Provider, provider: Provider, *, now: datetime) -> int:
    """Let the jobs at a provider keep its former credential and address if others have replaced these. How many keep them.

    Called as `carry_jobs` is. A credential that nobody can decipher any more cannot be kept.
    """
    columns = _columns(before, provider)
    if not columns:
        return 0
    exists = Q(state__in=AT_PROVIDER) | ~Q(input_ref="") | ~Q(remote_id="")
    there = ProviderJob.objects.filter(exists, provider=provider, former_credential=b"", removed_at=None)
    return there.update(updated_at=now, **columns)


def own_columns(job: ProviderJob) -> dict[str, Any]:
    """The columns by which a job keeps the credential that its worker uses, if it was replaced since the job was taken up.

    Must be called in the transaction that writes them: it locks the provider, so that nobody replaces it meanwhile.
    """
    if job.former_credential:
        return {}
    present = Provider.objects.select_for_update(no_key=True).get(pk=job.provider_id)
    return _columns(job.provider, present)


def former_connection(job: ProviderJob) -> Connection:
    """The connection that a job was created with. Raises CredentialUnavailable."""
    former = msgspec.json.decode(opened(bytes(job.former_credential)), type=_Former)
    provider = copy(job.provider)
    provider.base_url, provider.options = job.former_base_url, former.options
    provider.set_credential(former.credential)
    provider.credential_env, provider.credential_file = former.env, former.file
    provider.secrets_encrypted = b""
    for name, secret in former.secrets.items():
        provider.set_secret(name, secret)
    return provider.connection()


def rotate_former() -> int:
    """Encrypt the former credentials of jobs anew under the first of CREDENTIAL_KEYS. How many. Raises CredentialUnavailable."""
    held = ProviderJob.objects.exclude(former_credential=b"").order_by()
    found = {bytes(each) for each in held.values_list("former_credential", flat=True).distinct()}
    for former in found:
        ProviderJob.objects.filter(former_credential=former).update(former_credential=resealed(former))
    return len(found)


def _columns(before: Provider, after: Provider) -> dict[str, Any]:
    """The columns for the jobs of a provider as it was; none if it reaches the same account at the same address still."""
    try:
        former = _former(before)
    except CredentialUnavailable:
        return {}
    try:
        present = _former(after)
    except CredentialUnavailable:
        present = _Former()
    if before.base_url == after.base_url and _account(former) == _account(present):
        return {}
    return {
        "former_base_url": before.base_url,
        "former_credential": sealed_credential(msgspec.json.encode(former).decode()),
    }


def _former(provider: Provider) -> _Former:
    options, secrets = provider.options, provider.secrets()
    try:
        return _Former(credential=provider.credential(), options=options, secrets=secrets)
    except Missing:  # only the workers have the variable or the file
        env, file = provider.credential_env, provider.credential_file
        return _Former(env=env, file=file, options=options, secrets=secrets)


def _account(former: _Former) -> tuple[object, ...]:
    """What decides where a call goes, and on whose account."""
    options = {name: value for name, value in former.options.items() if name not in _INDIFFERENT}
    return former.credential, former.env, former.file, options, _used(referred(options), former.secrets)


def _used(references: Iterable[Any], secrets: dict[str, str]) -> dict[str, str]:
    return {each.secret: secrets.get(each.secret, "") for each in references if each.secret}
