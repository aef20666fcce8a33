"""Extras of a batch in the console: the fields of forms that ask for them, and their display."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms

from batches.models import Batch
from batches.services.intake.extras import (
    BETA,
    MOST_BETAS,
    NAME_CHARS,
    USER_PROFILE,
    VERSION,
    VERSION_CHARS,
    Extras,
    checked_extras,
    kept_extras,
)

EXTRAS = ("betas", "version", "user_profile")


def extra_fields() -> dict[str, forms.Field]:
    """The form fields for extras, by name. Only batches of messages have extras."""
    return {
        "betas": forms.CharField(
            required=False,
            max_length=MOST_BETAS * (NAME_CHARS + 1),
            label="Beta features",
            help_text=f"Comma-separated; sent as {BETA}.",
        ),
        "version": forms.CharField(
            required=False, max_length=VERSION_CHARS, label="Version of the API", help_text=f"Sent as {VERSION}."
        ),
        "user_profile": forms.CharField(
            required=False, max_length=NAME_CHARS, label="User profile", help_text=f"Sent as {USER_PROFILE}."
        ),
    }


def chosen_extras(cleaned: Mapping[str, Any]) -> Extras:
    """The extras that were filled in. Raises InvalidRequest."""
    betas = filter(None, map(str.strip, cleaned.get("betas", "").split(",")))
    return checked_extras(betas=betas, version=cleaned.get("version", ""), user_profile=cleaned.get("user_profile", ""))


def extras_as_fields(extras: Extras) -> dict[str, str]:
    """Extras as values for the fields of a form."""
    return {"betas": ",".join(extras.betas), "version": extras.version, "user_profile": extras.user_profile}


def extras_told(batch: Batch) -> Iterator[tuple[str, str]]:
    """The headers that the batch adds to its requests, besides those of the provider."""
    for header, value in zip((BETA, VERSION, USER_PROFILE), extras_as_fields(kept_extras(batch)).values(), strict=True):
        if value:
            yield header, value
