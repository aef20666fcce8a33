"""refusals: turn errors of a model's own validation into an error that every dialect can answer with."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from batches.rules.errors import InvalidRequest


@contextmanager
def model_validation() -> Iterator[None]:
    """Turn a model's ValidationError into an InvalidRequest, with the field before each message."""
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
