"""HTTP to a provider's batch API: small JSON calls, uploads and downloads, with the provider's own options and credential."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec
from yarl import URL

from providers.base import Connection, Failure
from providers.failures import Kind
from providers.jobs.base import Input, ResultsUnreadable
from providers.jobs.result_lines import Cut, Line, lines_of
from providers.judgement import judge_look
from providers.judgement.documents import Unreadable, read_document
from providers.online.json_api import Addresses, ApiOptions, secrets_of
from providers.online.options import headers_of
from providers.transport import Reply, open_streams, open_transport
from providers.transport.interface import ConnectionLost, is_success

CALL_SECONDS = 60.0
UPLOAD_SECONDS = 1800.0
MAX_ANSWER_BYTES = 64 * 1024**2  # of a list or of one job
_LINE_OVERHEAD = 64 * 1024  # of a result line around the answer that it holds


class JobClient:
    """A connected batch API. Failures are data, and hold no secret."""

    def __init__(self, connection: Connection, options: ApiOptions, *, addresses: Addresses, headers: Mapping[str, str]) -> None:
        self.secrets = secrets_of(connection)
        self.models = options.models
        self._addresses = addresses
        self._max_line_bytes = connection.max_response_bytes + _LINE_OVERHEAD
        base_url, environment, sent = connection.base_url, connection.environment, {**headers_of(options.headers), **headers}
        self._streams = open_streams(base_url, options=options, environment=environment, headers=sent)
        self._transport = open_transport(
            base_url, options=options, environment=environment, headers=sent, max_bytes=MAX_ANSWER_BYTES
        )

    def url(self, path: str, **query: str) -> URL:
        """The address of a path such as `/v1/batches`, with these parameters besides those of the provider's options."""
        return self._addresses.plain(path).update_query(query) if query else self._addresses.plain(path)

    async def call(self, method: str, url: URL, *, json: Any = None, headers: Mapping[str, str] | None = None) -> Any | Failure:
        """Make one call, once. The decoded answer, or a Failure."""
        body = b"" if json is None else json if isinstance(json, bytes) else msgspec.json.encode(json)
        reply = await self._transport.send(method, url, headers=headers or {}, body=body, seconds=CALL_SECONDS)
        return self._read(reply)

    async def upload(self, url: URL, content: Input, *, fields: Mapping[str, str], name: str) -> Any | Failure:
        """Upload a file once. The decoded answer, or a Failure."""
        content.content.seek(0)
        form = list(fields.items())
        reply = await self._streams.upload(url, fields=form, file=content.content, filename=name, seconds=UPLOAD_SECONDS)
        return self._read(reply)

    async def lines(self, url: URL, *, headers: Mapping[str, str] | None = None) -> AsyncGenerator[list[Line]]:
        """The lines of a result file, some at a time. Raises ResultsUnreadable."""
        async with self._streams.download(url, headers=headers or {}) as download:
            if download.refusal is not None:
                found = judge_look(download.refusal, secrets=self.secrets)
                raise ResultsUnreadable(found if isinstance(found, Failure) else _lost())
            try:
                async for some in lines_of(download.pieces(), most=self._max_line_bytes):
                    yield some
            except Cut:
                raise ResultsUnreadable(_cut()) from None
            except (ConnectionLost, TimeoutError, OSError):
                raise ResultsUnreadable(_lost()) from None

    async def close(self) -> None:
        """End every connection."""
        await self._transport.close()
        await self._streams.close()

    def _read(self, reply: Reply | Failure) -> Any | Failure:
        """The document of a success, which may tell of the errors of a job; or what is wrong with the answer."""
        if isinstance(reply, Reply) and is_success(reply.status):
            try:
                document, _ = read_document(self.secrets.hidden_in_body(reply.body))
            except Unreadable:
                pass
            else:
                return document
        found = judge_look(reply, secrets=self.secrets)
        return found if isinstance(found, Failure) else _lost()


def _cut() -> Failure:
    """All bytes came, and the last line or its packing is not whole: the provider keeps it so."""
    kind = Kind.INVALID_RESPONSE
    return Failure(kind, "The results break off within a line.", code=kind.value)


def _lost() -> Failure:
    kind = Kind.CONNECTION_LOST
    return Failure(kind, "The results ended before they were complete.", code=kind.value)
