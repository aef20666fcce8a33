"""Adapter `anthropic`: any upstream with Anthropic's messages API. What the options of a provider may say:

* `version`: the API's version, sent as `anthropic-version`, whatever version a batch was written for;
* `beta`: names of beta features, comma-separated, sent as `anthropic-beta` before those of a batch.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from providers.adapters.json_api import check_models, endpoint_url
from providers.adapters.options import options_problem, read_options
from providers.base import (
    ANTHROPIC_ENDPOINTS,
    NO_EXTRAS,
    Call,
    Check,
    Connection,
    Extras,
    Failure,
    Outcome,
    base_url_problem,
)
from providers.failures import Kind
from providers.http import Transport
from providers.judgement import Secrets, judge

VERSION = "2023-06-01"  # where neither the provider nor a batch names one

_HeaderValue = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9.,_-]+\Z")]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider may set; see above."""

    version: _HeaderValue | None = None
    beta: _HeaderValue | None = None


class AnthropicAdapter:
    """Sends each object as a normal call of `/v1/messages`, with the credential as `x-api-key`."""

    endpoints = ANTHROPIC_ENDPOINTS
    simulated = False

    def __init__(self, connection: Connection) -> None:
        try:
            options = read_options(connection.options, Options)
        except ValueError as error:
            raise ValueError(f"Provider {connection.name}: {error}") from None
        self._options = options
        headers = {"x-api-key": connection.credential} if connection.credential else {}
        self._secrets = Secrets(connection.credential)
        self._urls = {endpoint: endpoint_url(connection.base_url, endpoint) for endpoint in self.endpoints}
        self._models_url = endpoint_url(connection.base_url, "/v1/models")
        self._transport = Transport(headers=headers, max_bytes=connection.max_response_bytes)

    @classmethod
    def problems(cls, *, base_url: str, options: Mapping[str, Any]) -> dict[str, str]:
        """What is wrong with a provider's settings, by field."""
        found = {"base_url": base_url_problem(base_url), "options": options_problem(options, Options)}
        return {field: problem for field, problem in found.items() if problem}

    async def send(self, call: Call) -> Outcome:
        """One call, sent once."""
        url = self._urls.get(call.endpoint)
        if url is None:
            return Failure(Kind.PORTAL, f"The adapter anthropic does not serve {call.endpoint}.", code=Kind.PORTAL.value)
        headers = {"Idempotency-Key": call.idempotency_key} | self._headers(call.extras)
        reply = await self._transport.post(url, headers=headers, body=call.body, seconds=call.timeout)
        if isinstance(reply, Failure):
            return reply
        return judge(reply, call, secrets=self._secrets)

    async def check(self) -> Check:
        """Whether the list of models can be had."""
        return await check_models(self._transport, self._models_url, secrets=self._secrets, headers=self._headers(NO_EXTRAS))

    async def close(self) -> None:
        """End every connection."""
        await self._transport.close()

    def _headers(self, extras: Extras) -> dict[str, str]:
        """The headers of the API, for a batch with these extras. A beta that the provider has already is named once."""
        options = self._options
        betas = dict.fromkeys(filter(None, (*(options.beta or "").split(","), *extras.betas)))
        headers = {"anthropic-version": options.version or extras.version or VERSION}
        if betas:
            headers["anthropic-beta"] = ",".join(betas)
        if extras.user_profile:
            headers["anthropic-user-profile-id"] = extras.user_profile
        return headers
