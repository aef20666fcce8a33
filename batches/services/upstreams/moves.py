"""moves: a provider that moves takes no stored secret along, because a person who may change its address may not read secrets.

A provider moves when its origin, adapter, proxy or CA changes, since these decide who can read its requests. Then the
credential must be entered again in the same act. The same holds for a newly named variable or file. An actor that runs
manage.py can read variables and files anyway, so that naming one is enough.
"""

import hmac
from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec
from yarl import URL

from batches.rules.actors import Actor
from batches.rules.states import Source
from providers.models import CredentialUnavailable, Provider
from providers.secrets import sources
from providers.secrets.references import Reference, referred
from providers.transport.way import proxy_address

MAX_SHOWN_CHARS = 200
BY_COMMAND = "manage.py provider set, on a machine of the portal, can name it."


class Entered(NamedTuple):
    """The secrets that a person entered in one act: a credential, and the names of secrets that options refer to."""

    credential: str = ""
    secrets: Collection[str] = ()


class Destination(NamedTuple):
    """The place that a provider's secrets are sent to."""

    adapter: str
    origin: str
    proxy: str
    ca: str


def destination_of(provider: Provider) -> Destination:
    """The place that the provider's secrets are sent to at present, in words without secrets."""
    options = provider.options if isinstance(provider.options, dict) else {}
    return Destination(
        provider.adapter, _origin(provider.base_url), _proxy(provider, options.get("proxy")), str(options.get("ca") or "")
    )


def stored(provider: Provider) -> Provider | None:
    """The provider as it is in the database, before the change; None for a new one."""
    return Provider.objects.filter(pk=provider.pk).first()


def problems(provider: Provider, *, entered: Entered, actor: Actor) -> dict[str, str]:
    """The secrets that must be entered before this changed provider may be saved: a sentence for each field."""
    before = stored(provider)
    has_moved = before is not None and destination_of(before) != destination_of(provider)
    found = {}
    if problem := _credential_problem(before, provider, has_moved=has_moved, entered=entered, actor=actor):
        found["credential"] = problem
    if problem := _options_problem(before, provider, has_moved=has_moved, entered=entered, actor=actor):
        found["options"] = problem
    return found


def leave_behind(provider: Provider, *, entered: Entered) -> None:
    """Forget the old secrets of a provider that has moved, except those that were entered again. Does not save."""
    before = stored(provider)
    if before is not None and destination_of(before) != destination_of(provider):
        provider.forget_secrets(but=entered.secrets)


def address_change(before: Provider | None, provider: Provider) -> str:
    """The old and the new place for the record; empty if the provider has not moved."""
    if before is None:
        return f"address: {provider.base_url[:MAX_SHOWN_CHARS]}" if provider.base_url else ""
    old, new = destination_of(before), destination_of(provider)
    changes = [("address", before.base_url, provider.base_url), ("adapter", old.adapter, new.adapter)]
    changes.append(("proxy", old.proxy, new.proxy))
    shown = [(what, was[:MAX_SHOWN_CHARS] or "none", now[:MAX_SHOWN_CHARS] or "none") for what, was, now in changes if was != now]
    return "; ".join(f"{what}: {was} -> {now}" for what, was, now in shown)


def _credential_problem(
    before: Provider | None, provider: Provider, *, has_moved: bool, entered: Entered, actor: Actor
) -> str | None:
    kept = bytes(provider.credential_encrypted)
    if before is not None and has_moved and kept and kept == bytes(before.credential_encrypted):
        return "It would be sent to another place than it was entered for: enter it again, or have it removed."
    named = _named(provider)
    is_known = before is not None and not has_moved and named == _named(before)
    if not named or ((is_known or actor.source is Source.COMMAND) and not entered.credential):
        return None
    try:
        held = sources.variable(provider.credential_env) if provider.credential_env else sources.file(provider.credential_file)
    except sources.Missing as missing:
        return f"{missing} {BY_COMMAND}"
    if not entered.credential:
        return f"Enter the credential that {' '.join(named)} holds: naming it alone would let anybody read it. Or {BY_COMMAND}"
    if not hmac.compare_digest(held.encode(), entered.credential.encode()):
        return f"This is not the credential that {' '.join(named)} holds."
    return None


def _options_problem(
    before: Provider | None, provider: Provider, *, has_moved: bool, entered: Entered, actor: Actor
) -> str | None:
    references = set(referred(provider.options))
    if before is not None and has_moved:
        kept = _kept(before).keys() & _kept(provider).keys()
        if names := sorted({each.secret for each in references if each.secret in kept and each.secret not in entered.secrets}):
            return (
                f"They refer to secrets that were entered for another place: {', '.join(names)}. Enter these again (a header's in"
                " the options), or have them forgotten first."
            )
    outside = {each for each in references if not each.secret}
    if actor.source is not Source.COMMAND and outside - (set() if has_moved or before is None else set(referred(before.options))):
        return f"They name variables or files: {', '.join(sorted(map(str, outside)))}. Only {BY_COMMAND}"
    return None


def _named(provider: Provider) -> tuple[str, ...]:
    """The variable or the file that holds its credential."""
    if provider.credential_env:
        return "the variable", provider.credential_env
    return ("the file", provider.credential_file) if provider.credential_file else ()


def _kept(provider: Provider) -> dict[str, str]:
    try:
        return provider.secrets()
    except CredentialUnavailable:
        return {}  # a secret that cannot be deciphered cannot be sent either


def _origin(base_url: str) -> str:
    try:
        return str(URL(base_url).origin()) if base_url else ""
    except ValueError:
        return base_url


def _proxy(provider: Provider, option: Any) -> str:
    """A proxy without user and password; or the name of the variable or secret that holds it, if it cannot be read."""
    if isinstance(option, dict):
        try:
            reference = msgspec.convert(option, Reference)
        except msgspec.ValidationError:
            return ""
        option = _kept(provider).get(reference.secret) or str(reference)
    return proxy_address(option) if isinstance(option, str) and "//" in option else str(option or "")
