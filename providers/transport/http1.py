"""HTTP/1.1 answers, parsed piece by piece as they arrive. llhttp parses; this module builds replies. No network.

Folded headers and single line feeds are accepted. An answer whose end is ambiguous is refused: its end is never guessed.
"""

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from providers.transport.interface import MAX_HEAD_BYTES, ConnectionLost, Headers, MaxBytes, NotHttp, Reply

_FRAMING = 16  # the most bytes of framing for one byte of a body: each byte may come in a chunk of its own


class Answer:
    """One answer while it arrives. `reply` and `lasting` are valid after `feed` has returned True, or `end` has returned."""

    def __init__(self, most: MaxBytes) -> None:
        self.lasting = False  # whether the connection can carry another request
        self._most = most
        self._parser = HttpResponseParser(self)
        # Accept all that common clients accept: an answer that was paid for is not thrown away because of its head's style.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._headers = Headers()
        self._pieces: list[bytes] = []
        self._status = self._size = self._fed = self._limit = 0
        self._framed = self._complete = False

    def feed(self, data: bytes) -> bool:
        """Parse bytes from the network. Returns whether the wanted part of the answer is complete. Raises NotHttp."""
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if not self._complete:
                raise NotHttp(self._said) from None
            self.lasting = False  # there are bytes behind the answer that belong to no request
        if self._fed - _FRAMING * self._size > MAX_HEAD_BYTES and not self._complete:
            raise NotHttp(self._said)
        return self._complete or self._too_large

    def end(self) -> None:
        """Take the end of the connection as the end of a body without a length. Raises ConnectionLost for other answers."""
        if not self._status or self._framed:
            raise ConnectionLost

    def close(self) -> None:
        """Free the bytes that were read. Answer and parser refer to each other, so only a garbage collection would free them."""
        self._pieces.clear()
        del self._parser

    @property
    def size(self) -> int:
        """The number of bytes of the body that have arrived."""
        return self._size

    @property
    def most(self) -> int:
        """The number of bytes of the body that are wanted at most. One read may bring a few more."""
        return self._limit

    @property
    def expected(self) -> int:
        """The expected length of the body: its Content-Length, else twice the bytes that have arrived."""
        length = self._headers.get("content-length", "")
        return int(length) if length.isdecimal() else 2 * self._size

    @property
    def reply(self) -> Reply:
        """The answer. A body that is larger than wanted is cut."""
        body = b"".join(self._pieces)
        return Reply(self._status, self._headers, body[: self._limit] if self._too_large else body, not self._too_large)

    @property
    def _said(self) -> int:
        """The status in the first line of a malformed answer; 0 if none was read."""
        return self._status or self._parser.get_status_code()

    @property
    def _too_large(self) -> bool:
        return self._size > self._limit

    # Callbacks of the parser. The parser turns an exception that is raised here into an HttpParserError.

    def on_message_begin(self) -> None:
        """An answer begins: the first, the one after an interim answer, or one without a request."""
        if self._complete:
            self.lasting = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Headers behind the body are ignored."""
        if not self._status:
            known, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
            if self._headers.setdefault(known, text) is not text:
                self._headers.add(known, text)

    def on_headers_complete(self) -> None:
        """Take the end of the head."""
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
        """Take a piece of the body."""
        if not self._complete and not self._too_large:
            self._size += len(data)
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        """Take the end of an answer. After an interim answer, the real one follows."""
        if self._complete:
            return
        if not self._status:
            self._headers = Headers()
            return
        self._complete = True
        self.lasting = self._parser.should_keep_alive() and not self._too_large
