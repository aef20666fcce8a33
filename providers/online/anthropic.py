"""Adapter `anthropic`: any upstream with Anthropic's messages API.

A provider may have these options, besides those of `json_api`:

* `version`: the API's version, sent as `anthropic-version`; it overrides the version that a batch names;
* `beta`: names of beta features, comma-separated, sent as `anthropic-beta` before those of a batch.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

import msgspec

from providers.base import (
    ANTHROPIC_ENDPOINTS,
    NO_EXTRAS,
    Call,
    Check,
    Connection,
    Extras,
    Outcome,
)
from providers.judgement import judge
from providers.online.json_api import Addresses, ApiOptions, JsonApi, auth_header
from providers.online.options import naming, read_options, settings_problems

VERSION = "2023-06-01"  # used if neither the provider nor the batch names a version

_HeaderValue = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9.,_-]+\Z")]


class Options(ApiOptions, frozen=True, forbid_unknown_fields=True):
    """The options of a provider; the module's docstring explains them."""

    version: _HeaderValue | None = None
    beta: _HeaderValue | None = None

    def headers_taken(self) -> set[str]:
        taken = {*super().headers_taken(), "anthropic-version", "anthropic-beta", "anthropic-user-profile-id"}
        return taken if self.auth else taken - {"authorization"} | {"x-api-key"}


class AnthropicAdapter:
    """Sends each object as a normal call of `/v1/messages`.

    The credential is sent as `x-api-key` unless the option `auth` says otherwise.
    """

    endpoints = ANTHROPIC_ENDPOINTS
    simulated = False

    def __init__(self, connection: Connection) -> None:
        options, addresses, headers, self._headers = api_of(connection)
        self._served = self.endpoints | set(options.further_endpoints)
        self._api = JsonApi(connection, options, addresses=addresses, headers=headers)

    @classmethod
    def problems(cls, *, base_url: str, options: Mapping[str, Any]) -> dict[str, str]:
        """The problems of a provider's settings, by field."""
        return settings_problems(base_url=base_url, options=options, shape=Options)

    async def send(self, call: Call) -> Outcome:
        """Send one call once."""
        reply = await self._api.post(call, headers=self._headers(call.extras))
        return judge(reply, call, secrets=self._api.secrets)

    async def check(self, *, model: str = "", endpoint: str = "") -> Check:
        """Whether the upstream answers with its list of models; with a model, whether a small call of it succeeds."""
        headers = self._headers(NO_EXTRAS)
        return await self._api.check(model=model, endpoint=endpoint, served=self._served, headers=headers)

    async def close(self) -> None:
        """End every connection."""
        await self._api.close()


def api_of(connection: Connection) -> tuple[Options, Addresses, dict[str, str], Callable[[Extras], dict[str, str]]]:
    """The options of a provider with Anthropic's API, its addresses, the header that carries the credential, and `headers_for`.

    Raises ValueError for options that cannot be used.
    """
    with naming(connection):
        options = read_options(connection.options, Options)
    addresses = Addresses(connection.base_url, options, endpoints=ANTHROPIC_ENDPOINTS | set(options.further_endpoints))
    headers = auth_header(options.auth or "x-api-key", connection.credential)
    return options, addresses, headers, partial(headers_for, options)


def headers_for(options: Options, extras: Extras) -> dict[str, str]:
    """The API's headers for a batch with these extras. A beta that both the provider and the batch name is sent once."""
    betas = dict.fromkeys(filter(None, (*(options.beta or "").split(","), *extras.betas)))
    headers = {"anthropic-version": options.version or extras.version or VERSION}
    if betas:
        headers["anthropic-beta"] = ",".join(betas)
    if extras.user_profile:
        headers["anthropic-user-profile-id"] = extras.user_profile
    return headers
