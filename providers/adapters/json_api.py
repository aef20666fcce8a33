"""What upstreams with a versioned JSON API have in common: where an endpoint is, and a list of models to try a key on."""

import re

import msgspec
from yarl import URL

from providers.adapters.answers import Secrets, outcome
from providers.base import Check, Failure, Success
from providers.transport import Transport

CHECK_SECONDS = 8.0
_VERSION = re.compile(r"/v\d+[a-z0-9]*(?=/|$)")


def endpoint_url(base_url: str, endpoint: str) -> URL:
    """Where an endpoint such as `/v1/embeddings` is: a base URL that names a version already is not given another."""
    base = URL(base_url.rstrip("/"))
    if _VERSION.search(base.path):
        endpoint = _VERSION.sub("", endpoint, count=1)
    return URL(f"{base}{endpoint}", encoded=True)


async def check_models(transport: Transport, url: URL, *, secrets: Secrets) -> Check:
    """Whether the list of models can be had."""
    reply = await transport.get(url, seconds=CHECK_SECONDS)
    found = reply if isinstance(reply, Failure) else outcome(reply, secrets=secrets)
    if isinstance(found, Success):
        return Check(True, f"{url} answered {_models_listed(found.body)}.")
    status = f" with {found.http_status}" if found.http_status else ""
    return Check(False, f"{url} failed{status}: {found.message}")


def _models_listed(body: bytes) -> str:
    listing = msgspec.json.decode(body)
    models = listing.get("data") if isinstance(listing, dict) else listing
    if not isinstance(models, list):
        return "without a list of models"
    return "and lists 1 model" if len(models) == 1 else f"and lists {len(models)} models"
