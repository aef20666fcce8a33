"""refusals: what a model's own validation complains about, as an error that every dialect can tell."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from batches.rules.errors import InvalidRequest


@contextmanager
def model_validation() -> Iterator[None]:
    """Raise InvalidRequest, every message with its field in front, where a model raises ValidationError."""
    try:
        yield
    except ValidationError as error:
        raise InvalidRequest(_sentences(error)) from error


def _sentences(error: ValidationError) -> str:
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(
        message if field == NON_FIELD_ERRORS else f"{field}: {message}"
        for field, messages in error.message_dict.items()
        for message in messages
    )
