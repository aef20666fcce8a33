"""The drivers by name, and the profile of a family. A new family needs a row in `profiles`, and a driver if its calls differ."""

from providers.base import Connection
from providers.jobs.anthropic import AnthropicJobs
from providers.jobs.base import Driver
from providers.jobs.openai import OpenAIJobs
from providers.jobs.profiles import PROFILES, Profile

DRIVERS: dict[str, type[OpenAIJobs] | type[AnthropicJobs]] = {"anthropic": AnthropicJobs, "openai": OpenAIJobs}


def connect(family: str, connection: Connection) -> Driver:
    """A driver of this family, connected to a provider, for use on one event loop. Raises KeyError for an unknown family."""
    profile: Profile = PROFILES[family]
    return DRIVERS[profile.driver](connection, profile)
