"""Connection checks of providers. Besides the engine, only this module uses adapters."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from providers import registry
from providers.base import Adapter, Check, CredentialUnavailable
from providers.models import Provider, ProviderModel

CHECK_SECONDS = 10.0
CALL_SECONDS = 45.0  # for a check that tries a call


def check(provider: Provider, *, model: str = "", endpoint: str = "") -> Check:
    """Try the connection of a provider, for 10 seconds at most. Not to be called from an event loop.

    With a model, one small call is tried too, for 45 seconds at most: the upstream is paid for it.
    """
    if provider.adapter not in registry.ADAPTERS:
        return Check(False, f"There is no adapter {provider.adapter!r}.")
    try:
        adapter = registry.connect(provider.adapter, provider.connection())
    except CredentialUnavailable as error:
        return Check(False, f"{error} {_looked_in(provider)}".rstrip())
    except ValueError as error:
        return Check(False, str(error))
    found = asyncio.run(_within_budget(adapter, model=model, endpoint=endpoint))
    words = [found.message, _price(provider, model, found), _looked_in(provider)]
    return replace(found, message=" ".join(filter(None, words)))


async def _within_budget(adapter: Adapter, *, model: str, endpoint: str) -> Check:
    seconds = CALL_SECONDS if model else CHECK_SECONDS
    try:
        return await asyncio.wait_for(adapter.check(model=model, endpoint=endpoint), seconds)
    except TimeoutError:
        return Check(False, f"The upstream did not answer within {seconds:g} seconds.")
    finally:
        await adapter.close()


def _looked_in(provider: Provider) -> str:
    """A sentence that names the process whose environment variables were read; empty if the provider uses none."""
    names = [provider.credential_env] if provider.credential_env else []
    names += [used.removeprefix("variable ") for used in provider.secrets_used if used.startswith("variable ")]
    if not names:
        return ""
    process = Path(sys.argv[0]).name or "this process"
    return f"({', '.join(names)} was looked for in the environment of this process, {process}; workers have their own.)"


def _price(provider: Provider, model: str, found: Check) -> str:
    """A sentence that tells the cost of the call that was tried; empty if the usage of the call is unknown."""
    if found.usage is None:
        return ""
    priced = ProviderModel.objects.filter(provider=provider, name=model).first()
    nanos = priced.cost_nanos(found.usage) if priced else None
    if nanos is None:
        return "What it cost is not known: the model has no price here."
    return f"It cost {nanos / 1e9:.6f} {settings.CURRENCY}."
