"""extras: headers of a create call that are sent to the upstream with each request. They are checked, and kept with the batch.

Only Anthropic's API has such headers. `anthropic-beta`, `anthropic-version` and `anthropic-user-profile-id` change the
meaning of a call, so they are kept and sent. `anthropic-workspace-id` is refused: a workspace belongs to the credential of a
provider, which clients do not choose. The OpenAI headers are ignored: `OpenAI-Organization` and `OpenAI-Project` select the
account to bill, which the provider's credential decides, and `OpenAI-Beta` names features of endpoints that cannot be batched.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from batches.models import Batch
from batches.rules.errors import InvalidRequest
from providers.base import ANTHROPIC_ENDPOINTS, NO_EXTRAS, Extras

__all__ = ["NO_EXTRAS", "Extras", "asked_extras", "checked_extras", "fitting_extras", "kept_extras", "stored_extras"]

BETA = "anthropic-beta"
VERSION = "anthropic-version"
USER_PROFILE = "anthropic-user-profile-id"
WORKSPACE = "anthropic-workspace-id"
MOST_BETAS = 20
NAME_CHARS, VERSION_CHARS = 100, 20  # the lengths of the name of a beta feature or user profile, and of a version

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_CHARS - 1}}}", re.ASCII)
_NAME_RULE = f"up to {NAME_CHARS} letters, digits, '.', '_' and '-'."
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class InvalidExtras(InvalidRequest):
    """What is asked of the upstream beside the bodies cannot be sent."""

    code = "invalid_value"


def asked_extras(headers: Mapping[str, str]) -> Extras:
    """The extras in the headers of a create call. Raises InvalidExtras, naming the header."""
    if headers.get(WORKSPACE):
        raise InvalidExtras(f"{WORKSPACE}: the provider's credential decides on the workspace; leave it out.", param=WORKSPACE)
    return checked_extras(
        betas=filter(None, map(str.strip, headers.get(BETA, "").split(","))),
        version=headers.get(VERSION, "").strip(),
        user_profile=headers.get(USER_PROFILE, "").strip(),
    )


def checked_extras(*, betas: Iterable[str] = (), version: str = "", user_profile: str = "") -> Extras:
    """These extras, each beta once. Raises InvalidExtras, naming the header of the value that is wrong."""
    extras = Extras(tuple(dict.fromkeys(betas)), version, user_profile)
    if len(extras.betas) > MOST_BETAS:
        raise InvalidExtras(f"{BETA}: there may be {MOST_BETAS} beta features.", param=BETA)
    for name in extras.betas:
        if not _NAME.fullmatch(name):
            raise InvalidExtras(f"{BETA}: {name[:100]!r} is not the name of a beta feature: {_NAME_RULE}", param=BETA)
    if version and not _VERSION.fullmatch(version):
        raise InvalidExtras(f"{VERSION}: {version[:100]!r} is not a version such as 2023-06-01.", param=VERSION)
    if user_profile and not _NAME.fullmatch(user_profile):
        raise InvalidExtras(f"{USER_PROFILE}: an id has {_NAME_RULE}", param=USER_PROFILE)
    return extras


def fitting_extras(extras: Extras, *, endpoint: str) -> Extras:
    """The extras that have a meaning for a batch of this endpoint. Raises InvalidExtras if one has none.

    A version without a meaning is left out instead, because gateways send one with every call.
    """
    if endpoint in ANTHROPIC_ENDPOINTS:
        return extras
    if extras.betas or extras.user_profile:
        header = BETA if extras.betas else USER_PROFILE
        raise InvalidExtras(f"{header}: it has no meaning for requests of {endpoint}; leave it out.", param=header)
    return NO_EXTRAS


def stored_extras(extras: Extras) -> dict[str, Any] | None:
    """Extras as a batch keeps them; None if there are none."""
    kept: dict[str, Any] = msgspec.to_builtins(extras)
    return kept or None


def kept_extras(batch: Batch) -> Extras:
    """The extras that a batch keeps."""
    return msgspec.convert(batch.extras, Extras) if batch.extras else NO_EXTRAS
