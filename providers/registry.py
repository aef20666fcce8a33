"""The adapters there are, by name. Adding one is a file in `adapters/` and a line here."""

from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.http import HttpAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.adapters.simulator import SimulatorAdapter
from providers.base import Adapter, Connection

ADAPTERS: dict[str, type[Adapter]] = {
    "anthropic": AnthropicAdapter,
    "http": HttpAdapter,
    "openai": OpenAIAdapter,
    "simulator": SimulatorAdapter,
}


def adapter_class(name: str) -> type[Adapter]:
    """The adapter of this name. Raises KeyError for an unknown one."""
    return ADAPTERS[name]


def connect(adapter: str, connection: Connection) -> Adapter:
    """An adapter that speaks to this upstream, for use on one event loop."""
    return adapter_class(adapter)(connection)
