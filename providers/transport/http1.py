"""HTTP/1.1 answers, read piece by piece as they come: the parser is llhttp's, what is made of it is here. No network.

Folded headers and single line feeds are taken. Where an answer ends is never guessed at: an ambiguous one is refused.
"""

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from providers.transport.interface import MAX_HEAD_BYTES, ConnectionLost, Headers, MaxBytes, NotHttp, Reply

_FRAMING = 16  # bytes around one byte of a body at most, as when each comes in a chunk of its own


class Answer:
    """One answer, while it comes. `reply` is there once `feed` or `end` has said so; then ask whether `lasting`."""

    def __init__(self, most: MaxBytes) -> None:
        self.lasting = False  # whether the connection can carry another request
        self._most = most
        self._parser = HttpResponseParser(self)
        # What every client takes is taken: an answer that was paid for is not thrown away for the style of its head.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._headers = Headers()
        self._pieces: list[bytes] = []
        self._status = self._size = self._fed = self._limit = 0
        self._framed = self._complete = False

    def feed(self, data: bytes) -> bool:
        """Take what came from the network; whether the answer is here, as far as it is wanted. Raises NotHttp."""
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if not self._complete:
                raise NotHttp(self._said) from None
            self.lasting = False  # something is behind the answer that nobody asked for
        if self._fed - _FRAMING * self._size > MAX_HEAD_BYTES and not self._complete:
            raise NotHttp(self._said)
        return self._complete or self._too_large

    def end(self) -> None:
        """The connection has ended, and with it a body that says nothing of its length. Raises ConnectionLost."""
        if not self._status or self._framed:
            raise ConnectionLost

    def close(self) -> None:
        """Let go of what was read. Answer and parser refer to each other: else it would stay until garbage is collected."""
        self._pieces.clear()
        del self._parser

    @property
    def size(self) -> int:
        """Bytes of the body that are here."""
        return self._size

    @property
    def most(self) -> int:
        """Bytes of the body that are wanted at most; one read may bring a few more."""
        return self._limit

    @property
    def expected(self) -> int:
        """Bytes that the body will have: as it says itself, else it may become twice as long."""
        length = self._headers.get("content-length", "")
        return int(length) if length.isdecimal() else 2 * self._size

    @property
    def reply(self) -> Reply:
        """The answer; its body is cut where it is larger than wanted."""
        body = b"".join(self._pieces)
        return Reply(self._status, self._headers, body[: self._limit] if self._too_large else body, not self._too_large)

    @property
    def _said(self) -> int:
        """The status of the first line, as far as one was read: of an answer that turns out to be none."""
        return self._status or self._parser.get_status_code()

    @property
    def _too_large(self) -> bool:
        return self._size > self._limit

    # What the parser tells. An error that is raised here is one of its own.

    def on_message_begin(self) -> None:
        """An answer begins: the first, the one after an interim one, or one that nobody asked for."""
        if self._complete:
            self.lasting = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; those behind the body are not wanted."""
        if not self._status:
            known, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
            if self._headers.setdefault(known, text) is not text:
                self._headers.add(known, text)

    def on_headers_complete(self) -> None:
        """The head is here."""
        status = self._parser.get_status_code()
        coding = self._headers.get("transfer-encoding")
        if self._complete or 100 <= status < 200:
            return
        if status < 100 or (coding is not None and coding.lower() != "chunked"):
            raise NotHttp
        self._status = status
        self._limit = self._most.of(status)
        self._framed = coding is not None or "content-length" in self._headers

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if not self._complete and not self._too_large:
            self._size += len(data)
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it is an interim one."""
        if self._complete:
            return
        if not self._status:
            self._headers = Headers()
            return
        self._complete = True
        self.lasting = self._parser.should_keep_alive() and not self._too_large
