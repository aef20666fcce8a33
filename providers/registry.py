"""The registry of adapters, by name. A new adapter needs a file in `online/` and a line here."""

from django.conf import settings

from providers.base import Adapter, Connection
from providers.online.anthropic import AnthropicAdapter
from providers.online.http import HttpAdapter
from providers.online.openai import OpenAIAdapter
from providers.online.simulator.adapter import SimulatorAdapter

ADAPTERS: dict[str, type[Adapter]] = {
    "anthropic": AnthropicAdapter,
    "http": HttpAdapter,
    "openai": OpenAIAdapter,
    "simulator": SimulatorAdapter,
}

SWITCHED_OFF = "The simulator is switched off in this portal (SIMULATOR)."


def adapter_class(name: str) -> type[Adapter]:
    """The adapter of this name. Raises KeyError for an unknown one."""
    return ADAPTERS[name]


def switched_off() -> frozenset[str]:
    """The adapters that the settings switch off: the simulator, unless SIMULATOR is set."""
    return frozenset() if settings.SIMULATOR else frozenset(name for name, adapter in ADAPTERS.items() if adapter.simulated)


def offered() -> list[str]:
    """The names of the adapters that a new provider may have."""
    return sorted(ADAPTERS.keys() - switched_off())


def connect(adapter: str, connection: Connection) -> Adapter:
    """An adapter connected to this upstream, for use on one event loop. Raises ValueError if the adapter is switched off."""
    if adapter in switched_off():
        raise ValueError(SWITCHED_OFF)
    return adapter_class(adapter)(connection)
