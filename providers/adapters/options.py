"""Reading the options of a provider into the shape that its adapter gives them."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

Options = TypeVar("Options", bound=msgspec.Struct)


def read_options(options: Mapping[str, Any], shape: type[Options]) -> Options:
    """The options, checked. Raises ValueError, whose message names the one that is wrong."""
    try:
        return msgspec.convert(dict(options), shape)
    except msgspec.ValidationError as error:
        raise ValueError(named(error)) from None


def options_problem(options: Mapping[str, Any], shape: type[Options]) -> str | None:
    """What is wrong with the options, and which ones there are; None when nothing is."""
    try:
        read_options(options, shape)
    except ValueError as error:
        return f"{error} The options are {', '.join(shape.__struct_fields__)}."
    return None


def named(error: msgspec.ValidationError) -> str:
    """The parser's message with the field in front: `failure_rate: Expected …`."""
    message, _, path = str(error).rstrip(".").partition(" - at `$.")
    return f"{path.rstrip('`')}: {message}." if path else f"{message}."
