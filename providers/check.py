"""Whether a provider can be used: the one door to adapters besides the engine."""

import asyncio

from providers import registry
from providers.base import Adapter, Check
from providers.models import CredentialUnavailable, Provider

CHECK_SECONDS = 10.0


def check(provider: Provider) -> Check:
    """Try the connection of a provider, for 10 seconds at most. Not to be called from an event loop."""
    if provider.adapter not in registry.ADAPTERS:
        return Check(False, f"There is no adapter {provider.adapter!r}.")
    try:
        adapter = registry.connect(provider.adapter, provider.connection())
    except (CredentialUnavailable, ValueError) as error:
        return Check(False, str(error))
    return asyncio.run(_within_budget(adapter))


async def _within_budget(adapter: Adapter) -> Check:
    try:
        return await asyncio.wait_for(adapter.check(), CHECK_SECONDS)
    except TimeoutError:
        return Check(False, f"The upstream did not answer within {CHECK_SECONDS:g} seconds.")
    finally:
        await adapter.close()
