"""How an answer may spell a secret: what redaction must find, and what a leak is looked for by."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from urllib.parse import quote, quote_plus

Spell = Callable[[str], str]


def _every(form: str) -> Spell:
    """Each character by itself; `form` takes its number."""
    return lambda secret: "".join(form.format(ord(character)) for character in secret)


def _in_base64(encode: Callable[[bytes], bytes], before: str) -> Spell:
    return lambda secret: encode(f"{before}{secret}:behind".encode()).decode()


SPELLINGS: dict[str, Spell] = {
    "as it is": str,
    "in capitals": str.upper,
    "in small letters": str.lower,
    "with Bearer": lambda secret: f"Bearer {secret}",
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON, slashes escaped": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "JSON, every character escaped": _every("\\u{:04x}"),
    "JSON, every character escaped in capitals": _every("\\u{:04X}"),
    "JSON in JSON": lambda secret: json.dumps(json.dumps(secret).replace("/", "\\/"))[1:-1],
    "JSON in JSON, every character escaped": _every("\\\\u{:04x}"),
    "URL": lambda secret: quote(secret, safe=""),
    "URL, small letters": lambda secret: quote(secret, safe="").lower(),
    "URL, as a form": quote_plus,
    "URL, every character escaped": _every("%{:02X}"),
    "URL in a URL": lambda secret: quote(quote(secret, safe=""), safe=""),
    "HTML": escape,
    "HTML, every character escaped": _every("&#{};"),
    "HTML, every character escaped in hex": _every("&#x{:X};"),
    "hex": lambda secret: secret.encode().hex(),
    "hex in capitals": lambda secret: secret.encode().hex().upper(),
    **{f"base64 behind {before!r}": _in_base64(b64encode, before) for before in ("", "u", "u:", "us:")},
    **{f"url-safe base64 behind {before!r}": _in_base64(urlsafe_b64encode, before) for before in ("", "u", "u:", "us:")},
    "base64, escaped as JSON": lambda secret: b64encode(secret.encode()).decode().replace("/", "\\/"),
    "base64, escaped as a URL": lambda secret: quote(b64encode(secret.encode()).decode(), safe=""),
}


def cores(secret: str) -> list[bytes]:
    """What a text holds, in lower case, that has the secret in a spelling without escapes."""
    raw = secret.encode()
    found = [raw.lower(), raw.hex().encode(), quote(secret, safe="").lower().encode()]
    for before in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            found += [encode(b"x" * before + raw)[4:-4].lower()]
    return found
