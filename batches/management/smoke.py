"""The verb `smoke` of `manage.py provider`."""

import asyncio
from typing import Any

from django.core.management.base import CommandError, CommandParser, OutputWrapper

from batches.management.named import provider_named
from providers.jobs.profiles import PROFILES
from providers.models import Provider
from providers.smoke import smoke

WAIT_SECONDS = 900.0


def add_arguments(smoke: CommandParser) -> None:
    """The arguments of the verb."""
    smoke.add_argument("name")
    smoke.add_argument("--model", required=True, help="of the ten small requests, which may be paid for")
    smoke.add_argument("--family", choices=sorted(PROFILES), help="the batch API; else the one that the adapter suggests")
    smoke.add_argument("--wait", type=float, default=WAIT_SECONDS, metavar="SECONDS", help="for the end of the job (900)")


def run_smoke(options: dict[str, Any], out: OutputWrapper) -> None:
    """Run the test, a line for each step. Raises CommandError if a step failed."""
    provider = provider_named(options["name"])
    family = options["family"] or provider.jobs_family or _family(provider)

    async def steps() -> bool:
        ok = True
        async for step in smoke(provider, family=family, model=options["model"], seconds=options["wait"]):
            out.write(f"{'ok' if step.ok else 'FAILED'}\t{step.message}")
            ok = ok and step.ok
        return ok

    if not asyncio.run(steps()):
        raise CommandError(f"The batch API of {provider.name} did not pass.")


def _family(provider: Provider) -> str:
    """The family that a provider's adapter and options suggest. Raises CommandError."""
    if provider.adapter == "openai":
        return "azure" if provider.options.get("azure") else "openai"
    if provider.adapter in PROFILES:
        return provider.adapter
    raise CommandError(f"Adapter {provider.adapter} has no batch API.")
