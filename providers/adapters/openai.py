"""Adapter `openai`: any upstream with OpenAI's API, such as OpenAI itself, vLLM, Groq, Together or a gateway."""

from collections.abc import Mapping
from typing import Any

from providers.adapters.answers import Secrets, outcome
from providers.adapters.json_api import check_models, endpoint_url
from providers.base import OPENAI_ENDPOINTS, Call, Check, Connection, Failure, Outcome, base_url_problem
from providers.failures import Kind
from providers.transport import Transport


class OpenAIAdapter:
    """Sends each object as a normal API call, with the credential as bearer token."""

    endpoints = OPENAI_ENDPOINTS
    simulated = False

    def __init__(self, connection: Connection) -> None:
        self._secrets = Secrets(connection.credential)
        self._urls = {endpoint: endpoint_url(connection.base_url, endpoint) for endpoint in self.endpoints}
        self._models_url = endpoint_url(connection.base_url, "/v1/models")
        bearer = {"Authorization": f"Bearer {connection.credential}"} if connection.credential else {}
        self._transport = Transport(headers=bearer, max_bytes=connection.max_response_bytes)

    @classmethod
    def problems(cls, *, base_url: str, options: Mapping[str, Any]) -> dict[str, str]:
        """What is wrong with a provider's settings, by field."""
        found = {}
        if problem := base_url_problem(base_url):
            found["base_url"] = problem
        if options:
            found["options"] = f"The adapter openai takes no options, but {', '.join(sorted(options))} is set."
        return found

    async def send(self, call: Call) -> Outcome:
        """One call, sent once."""
        url = self._urls.get(call.endpoint)
        if url is None:
            return Failure(Kind.PORTAL, f"The adapter openai does not serve {call.endpoint}.", code=Kind.PORTAL.value)
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
