"""Adapter `openai`: any upstream with OpenAI's API, such as OpenAI itself, Azure, vLLM, Groq, Together or a gateway.

A provider may have these options, besides those of `json_api`:

* `azure`: the version of Azure's API, if the base URL is an Azure resource: `v1`, or the date of a version. With a date, the
  model of a request names the deployment;
* `path`: the path of endpoints after the base URL, such as `/openai/deployments/{model}{endpoint}`.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.base import OPENAI_ENDPOINTS, Call, Check, Connection, Outcome
from providers.judgement import judge
from providers.online.json_api import Addresses, ApiOptions, JsonApi, auth_header, path_problem
from providers.online.options import naming, read_options, settings_problems

_AZURE_VERSION = re.compile(r"v1|\d{4}-\d{2}-\d{2}(?:-preview)?")
_AZURE_ROOT = re.compile(r"/openai(?:/v1)?/?\Z")
_AZURE_DATED = "/openai/deployments/{model}{endpoint}"
_AZURE_V1 = "/openai/v1{endpoint}"


class Options(ApiOptions, frozen=True, forbid_unknown_fields=True):
    """The options of a provider; the module's docstring explains them."""

    azure: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for the first option that cannot be used."""
        super().__post_init__()
        if self.azure and not _AZURE_VERSION.fullmatch(self.azure):
            raise ValueError("azure: it must be 'v1' or the date of an API version, such as '2024-10-21'")
        if self.path and (problem := path_problem(self.path)):
            raise ValueError(f"path: {problem}")
        if [bool(self.azure), bool(self.path), self.exact_root].count(True) > 1:
            raise ValueError("path: only one of azure, path and exact_root can say where endpoints are")
        if self.azure not in ("", "v1") and "api-version" in self.query:
            raise ValueError("query: the api-version is the one that option azure names")

    def headers_taken(self) -> set[str]:
        return {*super().headers_taken(), *({"api-key"} if self.azure and not self.auth else ())}


class OpenAIAdapter:
    """Sends each object as a normal API call. The credential is a bearer token unless the option `auth` says otherwise."""

    endpoints = OPENAI_ENDPOINTS
    simulated = False

    def __init__(self, connection: Connection) -> None:
        options, addresses, headers = api_of(connection)
        self._served = self.endpoints | set(options.further_endpoints)
        self._api = JsonApi(connection, options, addresses=addresses, headers=headers)

    @classmethod
    def problems(cls, *, base_url: str, options: Mapping[str, Any]) -> dict[str, str]:
        """The problems of a provider's settings, by field."""
        return settings_problems(base_url=base_url, options=options, shape=Options)

    async def send(self, call: Call) -> Outcome:
        """Send one call once."""
        return judge(await self._api.post(call), call, secrets=self._api.secrets)

    async def check(self, *, model: str = "", endpoint: str = "") -> Check:
        """Whether the upstream answers with its list of models; with a model, whether a small call of it succeeds."""
        return await self._api.check(model=model, endpoint=endpoint, served=self._served)

    async def close(self) -> None:
        """End every connection."""
        await self._api.close()


def api_of(connection: Connection) -> tuple[Options, Addresses, dict[str, str]]:
    """The options of a provider with OpenAI's API, its addresses, and the header that carries the credential.

    Raises ValueError for options that cannot be used.
    """
    with naming(connection):
        given = read_options(connection.options, Options)
        options = _as_paths(given)
    root = _AZURE_ROOT.sub("", connection.base_url) if given.azure else connection.base_url
    served = OPENAI_ENDPOINTS | set(options.further_endpoints)
    addresses = Addresses(root, options, endpoints=served, path=options.path)
    return options, addresses, auth_header(options.auth, connection.credential)


def _as_paths(options: Options) -> Options:
    """The options with `azure` replaced by the path and query that it stands for, and `auth` filled in."""
    auth = options.auth or ("api-key" if options.azure else "bearer")
    path, query = options.path, options.query
    if options.azure == "v1":
        path = _AZURE_V1
    elif options.azure:
        path, query = _AZURE_DATED, {"api-version": options.azure, **query}
    return msgspec.structs.replace(options, azure="", auth=auth, path=path, query=query)
