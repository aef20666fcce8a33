"""Adapter `openai`: any upstream with OpenAI's API, such as OpenAI itself, vLLM, Groq, Together or a gateway."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from yarl import URL

from providers.adapters.answers import Secrets, outcome
from providers.base import OPENAI_ENDPOINTS, Call, Check, Connection, Failure, Outcome, Success, base_url_problem
from providers.failures import Kind
from providers.http import Transport

CHECK_SECONDS = 8.0
_VERSION = re.compile(r"/v\d+[a-z0-9]*(?=/|$)")


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
        reply = await self._transport.get(self._models_url, seconds=CHECK_SECONDS)
        found = reply if isinstance(reply, Failure) else outcome(reply, secrets=self._secrets)
        if isinstance(found, Success):
            return Check(True, f"{self._models_url} answered {_models_listed(found.body)}.")
        status = f" with {found.http_status}" if found.http_status else ""
        return Check(False, f"{self._models_url} failed{status}: {found.message}")

    async def close(self) -> None:
        """End every connection."""
        await self._transport.close()


def endpoint_url(base_url: str, endpoint: str) -> URL:
    """Where an endpoint such as `/v1/embeddings` is: a base URL that names a version already is not given another."""
    base = URL(base_url.rstrip("/"))
    if _VERSION.search(base.path):
        endpoint = _VERSION.sub("", endpoint, count=1)
    return URL(f"{base}{endpoint}", encoded=True)


def _models_listed(body: bytes) -> str:
    listing = msgspec.json.decode(body)
    models = listing.get("data") if isinstance(listing, dict) else listing
    if not isinstance(models, list):
        return "without a list of models"
    return "and lists 1 model" if len(models) == 1 else f"and lists {len(models)} models"
