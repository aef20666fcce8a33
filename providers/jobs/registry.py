"""The drivers by name, and the profile of a family. A new family needs a row in `profiles`, and a driver if its calls differ."""

from collections.abc import Mapping
from typing import Any

from providers.base import Connection
from providers.jobs.anthropic import AnthropicJobs
from providers.jobs.base import Driver
from providers.jobs.openai import OpenAIJobs
from providers.jobs.profiles import PROFILES, Profile

DRIVERS: dict[str, type[OpenAIJobs] | type[AnthropicJobs]] = {"anthropic": AnthropicJobs, "openai": OpenAIJobs}


def family_problem(family: str, *, adapter: str, options: Mapping[str, Any]) -> str:
    """Why a provider with this adapter and these options cannot have a batch API of this family; empty if it can."""
    if not family:
        return ""
    if family not in PROFILES:
        return f"There is no family of batch APIs {family!r}; there are {', '.join(sorted(PROFILES))}."
    fitting = sorted(name for name, profile in PROFILES.items() if profile.driver == adapter)
    if family not in fitting:
        known = f"has {', '.join(fitting)}" if fitting else "has no batch API"
        return f"The family {family} does not fit adapter {adapter}, which {known}."
    if family == "azure" and not options.get("azure"):
        return "The family azure needs option azure, which says where endpoints are."
    if family != "azure" and options.get("azure"):
        return f"A provider with option azure has the family azure, not {family}."
    return ""


def connect(family: str, connection: Connection) -> Driver:
    """A driver of this family, connected to a provider, for use on one event loop. Raises KeyError for an unknown family."""
    profile: Profile = PROFILES[family]
    return DRIVERS[profile.driver](connection, profile)
