"""The stub upstream: `python -m tests.benchmarks.stub`, a process that answers chat completions as cheaply as Python can.

It prints its port, and counts. `GET /stats` tells the counts, `DELETE /stats` sets them to zero. A request's marker is
what its body has as `user`; it proves which requests arrived, and how often. With `--steered`, a request whose marker begins
with `500:`, `429:` or `slow:` is answered so.
"""

import argparse
import asyncio
import itertools
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import msgspec
import uvloop

MARKER = b'"user":"'
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def rendered(status: str, body: bytes, *, headers: Sequence[str] = ()) -> bytes:
    """A whole HTTP answer."""
    always = ("Content-Type: application/json", "x-request-id: req_stub", f"Content-Length: {len(body)}")
    return "\r\n".join((f"HTTP/1.1 {status}", *always, *headers, "\r\n")).encode() + body


def refusal(*, retry_after: float | None = None) -> bytes:
    """The answer 429, with Retry-After in seconds unless that is None."""
    body = b'{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}'
    return rendered("429 Too Many Requests", body, headers=() if retry_after is None else [f"Retry-After: {retry_after:g}"])


def chat_completion(size: int) -> bytes:
    """The body of an answer in OpenAI's chat shape, of about so many bytes."""
    usage = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}
    message = {"role": "assistant", "content": ""}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    answer = {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": choices,
        "usage": usage,
    }
    message["content"] = ("four " * size)[: max(size - len(msgspec.json.encode(answer)), 0)]
    return msgspec.json.encode(answer)


@dataclass(slots=True)
class Behaviour:
    """How requests are answered. Rates are shares of all requests; a dropped one gets a closed connection."""

    answer: bytes
    latency: float = 0.0  # seconds
    too_many: float = 0.0
    broken: float = 0.0
    dropped: float = 0.0
    refused: bytes = field(default_factory=refusal)
    steered: bool = False
    slow: float = 0.0  # seconds that a request takes that asks for it
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def choose(self) -> bytes | None:
        """The next answer; None for a connection that is to be closed."""
        number = self.chance.random()
        for rate, answer in ((self.too_many, self.refused), (self.broken, _BROKEN), (self.dropped, None)):
            if number < rate:
                return answer
            number -= rate
        return self.answer

    def steer(self, marker: bytes) -> tuple[bytes | None, float]:
        """What a request with this marker is answered, and after how long."""
        match marker.partition(b":")[0]:
            case b"500":
                return _BROKEN, self.latency
            case b"429":
                return self.refused, self.latency
            case b"slow":
                return self.answer, self.slow
            case _:
                return self.answer, self.latency

    @property
    def always_answers(self) -> bool:
        return not (self.too_many or self.broken or self.dropped)


_BROKEN = rendered("500 Internal Server Error", b'{"error":{"message":"oops","type":"server_error","code":null}}')


@dataclass(slots=True)
class Stats:
    """What has arrived since the last reset, and how much of it at once. Moments are on the machine's monotonic clock."""

    requests: int = 0
    markers: dict[bytes, int] = field(default_factory=dict)
    first_at: float | None = None
    last_at: float | None = None
    answered_at: float | None = None
    in_flight: int = 0
    _busy: float = 0.0  # requests in flight times seconds, up to `_changed_at`
    _busy_at_last: float = 0.0  # the same when the last request came
    _changed_at: float = 0.0

    def reset(self) -> None:
        self.requests, self.first_at, self.last_at, self.answered_at = 0, None, None, None
        self._busy = self._busy_at_last = 0.0
        self.markers.clear()

    def _change(self, number: int) -> float:
        now = time.monotonic()
        if self.first_at is not None:
            self._busy += self.in_flight * (now - self._changed_at)
        self._changed_at = now
        self.in_flight += number
        return now

    def answered(self, number: int) -> None:
        self.answered_at = self._change(-number)

    def see(self, body_start: int, end: int, buffer: bytes) -> bytes:
        """Count a request; its marker."""
        self.last_at = self._change(1)
        self._busy_at_last = self._busy
        if self.first_at is None:
            self.first_at = self.last_at
        self.requests += 1
        start = buffer.find(MARKER, body_start, end)
        if start >= 0:
            start += len(MARKER)
            marker = buffer[start : buffer.find(b'"', start, end)]
            self.markers[marker] = self.markers.get(marker, 0) + 1
            return marker
        return b""

    def _mean_in_flight(self) -> float | None:
        """From the first to the last request."""
        if self.first_at is None or self.last_at is None or self.last_at == self.first_at:
            return None
        return self._busy_at_last / (self.last_at - self.first_at)

    def document(self) -> bytes:
        told = {
            "requests": self.requests,
            "markers": len(self.markers),
            "repeated": sum(count > 1 for count in self.markers.values()),
            "first_at": self.first_at,
            "last_at": self.last_at,
            "answered_at": self.answered_at,
            "mean_in_flight": self._mean_in_flight(),
            "cpu": time.process_time(),
        }
        return msgspec.json.encode(told)


class Connection(asyncio.Protocol):
    """One keep-alive connection. Pipelined requests are answered in order."""

    def __init__(self, behaviour: Behaviour, stats: Stats) -> None:
        self._behaviour = behaviour
        self._stats = stats
        self._rest = b""
        self._latency = behaviour.latency
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._rest + data if self._rest else data
        start, requests, answers = 0, 0, []
        while (head_end := buffer.find(b"\r\n\r\n", start)) >= 0:
            length = _LENGTH.search(buffer, start, head_end)
            body_start = head_end + 4
            end = body_start + (int(length[1]) if length else 0)
            if end > len(buffer):
                break
            answers.append(self._answer(buffer, start, body_start, end))
            requests += buffer.startswith(b"POST", start)
            start = end
        self._rest = buffer[start:]
        if answers:
            if self._latency and requests:
                asyncio.get_running_loop().call_later(self._latency, self._write, answers, requests)
            else:
                self._write(answers, requests)

    def _answer(self, buffer: bytes, start: int, body_start: int, end: int) -> bytes | None:
        if buffer.startswith(b"POST", start):
            marker = self._stats.see(body_start, end, buffer)
            if self._behaviour.steered:
                answer, self._latency = self._behaviour.steer(marker)
                return answer
            return self._behaviour.answer if self._behaviour.always_answers else self._behaviour.choose()
        document = self._stats.document()
        if buffer.startswith(b"DELETE", start):
            self._stats.reset()
        return rendered("200 OK", document)

    def _write(self, answers: Sequence[bytes | None], requests: int) -> None:
        assert self._transport is not None
        if requests:
            self._stats.answered(requests)
        self._transport.write(
            b"".join(answer for answer in itertools.takewhile(lambda answer: answer is not None, answers) if answer)
        )
        if None in answers:
            self._transport.close()


async def serve(behaviour: Behaviour) -> None:
    """Listen on a free port of 127.0.0.1, print it, and answer until the process is ended."""
    stats = Stats()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(behaviour, stats), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--answer-bytes", type=int, default=1024)
    for name, meaning in (("too-many", "answered with 429"), ("broken", "answered with 500"), ("dropped", "cut off unanswered")):
        parser.add_argument(f"--{name}", type=float, default=0.0, metavar="RATE", help=f"share of requests {meaning}")
    parser.add_argument("--retry-after", type=float, metavar="SECONDS", help="told with 429")
    parser.add_argument("--steered", type=int, default=0, help="1: requests say how they are answered")
    parser.add_argument("--slow-ms", type=float, default=0.0, help="how long those take that ask for it")
    told = parser.parse_args()
    answer = rendered("200 OK", chat_completion(told.answer_bytes))
    refused = refusal(retry_after=told.retry_after)
    behaviour = Behaviour(answer, told.latency_ms / 1000, told.too_many, told.broken, told.dropped, refused)
    behaviour.steered, behaviour.slow = bool(told.steered), told.slow_ms / 1000
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(behaviour))


if __name__ == "__main__":
    main()
