"""The sender: one POST to one receiver. What a receiver does never raises; it is told as a `Tried`."""

import asyncio
import email.utils
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import aiohttp
from django.conf import settings
from django.utils import timezone
from yarl import URL

from batches.services.webhooks.outcomes import Tried
from batches.services.webhooks.receivers import socket_to_receiver
from providers.transport.dial import why

MOST_BYTES = 4096  # of an answer; the rest is not read
HEADERS = {"Content-Type": "application/json", "User-Agent": f"Batchyard/{settings.VERSION}", "Accept-Encoding": "identity"}

_Sessions = Mapping[str, aiohttp.ClientSession]  # by the scheme of a URL


class Sender:
    """Makes the calls of one event loop. Each call has a connection of its own, and the address of each is checked."""

    def __init__(self) -> None:
        self._sessions = {scheme: _open_session(scheme) for scheme in ("http", "https")}

    async def send(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Tried:
        """Send a body once, within WEBHOOK_TIMEOUT_SECONDS from the look-up of the name to the end of the answer."""
        call = _Call()
        try:
            async with asyncio.timeout(settings.WEBHOOK_TIMEOUT_SECONDS):
                await call.make(self._sessions, url, headers={**HEADERS, **headers}, body=body)
        except TimeoutError:
            return call.over(f"No answer within {settings.WEBHOOK_TIMEOUT_SECONDS:g} s.")
        except aiohttp.ClientConnectorError as error:
            return call.over(f"No connection: {why(error.os_error)}.")
        except aiohttp.ServerDisconnectedError:
            return call.over("The connection was closed without an answer.")
        except aiohttp.ClientResponseError:
            return call.over("The answer is not HTTP.")
        except (aiohttp.ClientError, OSError, ssl.SSLError, ValueError) as error:
            return call.over(f"The call failed ({type(error).__name__}).")
        return call.over("")

    async def close(self) -> None:
        """End every connection."""
        for session in self._sessions.values():
            await session.close()


class _Call:
    """One call, and as much of its answer as is known."""

    def __init__(self) -> None:
        self._began = asyncio.get_running_loop().time()
        self._status: int | None = None
        self._retry_after = ""
        self._answer = b""

    async def make(self, sessions: _Sessions, text: str, *, headers: Mapping[str, str], body: bytes) -> None:
        url = URL(text, encoded=True)  # it is sent as it was given
        async with sessions[url.scheme].post(url, data=body, headers=headers, allow_redirects=False) as response:
            self._status = response.status
            self._retry_after = response.headers.get("Retry-After", "")
            while len(self._answer) < MOST_BYTES and (piece := await response.content.read(MOST_BYTES - len(self._answer))):
                self._answer += piece
            response.close()

    def over(self, failure: str) -> Tried:
        """What came of the call. A status decides, even if the rest of the answer never came."""
        took = asyncio.get_running_loop().time() - self._began
        return Tried(
            took_ms=round(took * 1000),
            http_status=self._status,
            answer=self._answer.decode("utf-8", "replace"),
            failure=failure if self._status is None else _problem(self._status),
            retry_after=seconds_to_wait(self._retry_after, now=timezone.now()),
        )


def _problem(status: int) -> str:
    """Why an answer with this status is a failure; empty if it is none."""
    if 200 <= status <= 299:
        return ""
    if 300 <= status <= 399:
        return f"The receiver redirects ({status}). Redirects are not followed."
    return f"The receiver answered {status}."


def seconds_to_wait(text: str, *, now: datetime) -> float | None:
    """The seconds that a `Retry-After` header names, as a number or a date; None if it names none."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds(), 0.0)


def _open_session(scheme: str) -> aiohttp.ClientSession:
    """A session without redirects, cookies, kept connections and proxies of the environment. The guard makes its sockets."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,
            force_close=True,
            ssl=ssl.create_default_context(),
            use_dns_cache=False,
            resolver=aiohttp.ThreadedResolver(),
            socket_factory=partial(socket_to_receiver, encrypted=scheme == "https"),
        ),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=MOST_BYTES,
    )
