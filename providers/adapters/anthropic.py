"""Adapter `anthropic`: any upstream with Anthropic's messages API. What the options of a provider may say:

* `version`: the API's version, sent as `anthropic-version`;
* `beta`: names of beta features, comma-separated, sent as `anthropic-beta`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from providers.adapters.answers import Secrets, outcome
from providers.adapters.json_api import check_models, endpoint_url
from providers.adapters.options import options_problem, read_options
from providers.base import ANTHROPIC_ENDPOINTS, Call, Check, Connection, Failure, Outcome, base_url_problem
from providers.failures import Kind
from providers.transport import Transport

_HeaderValue = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9.,_-]+\Z")]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider may set; see above."""

    version: _HeaderValue = "2023-06-01"
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
        headers = {"anthropic-version": options.version}
        if options.beta:
            headers["anthropic-beta"] = options.beta
        if connection.credential:
            headers["x-api-key"] = connection.credential
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
        headers = {"Idempotency-Key": call.idempotency_key}
        reply = await self._transport.post(url, headers=headers, body=call.body, seconds=call.timeout)
        if isinstance(reply, Failure):
            return reply
        return outcome(reply, secrets=self._secrets)

    async def check(self) -> Check:
        """Whether the list of models can be had."""
        return await check_models(self._transport, self._models_url, secrets=self._secrets)

    async def close(self) -> None:
        """End every connection."""
        await self._transport.close()
