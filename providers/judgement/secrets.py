"""What must never leave the portal."""

MIN_SECRET_CHARS = 8  # shorter ones are placeholders of upstreams without keys, and common words of answers
REDACTED = "[credential]"


class Secrets:
    """A credential and other secrets, in each spelling that an answer may give them."""

    def __init__(self, *secrets: str) -> None:
        long = [secret for secret in secrets if len(secret) >= MIN_SECRET_CHARS]
        self._text = sorted({spelling for secret in long for spelling in (secret, secret.replace("/", "\\/"))}, key=len)[::-1]
        self._bytes = [spelling.encode() for spelling in self._text]

    def hidden_in_body(self, body: bytes) -> bytes:
        for secret in self._bytes:
            if secret in body:
                body = body.replace(secret, REDACTED.encode())
        return body

    def hidden_in(self, text: str) -> str:
        for secret in self._text:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return text
