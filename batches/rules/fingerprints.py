"""Fingerprints: the same for failures that differ only in ids, numbers and quoted text. Pure rules, versioned."""

import hashlib
import re
from functools import lru_cache

VERSION = "v1"
CHARS = 43  # at most, in any version
PATTERN = f"[A-Za-z0-9:._-]{{1,{CHARS}}}"

# In this order: what is more specific goes first.
_VARIABLE_PARTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "<uuid>"),
        (r"https?://[^\s\"'<>]+", "<url>"),
        (r"[\w.+-]{1,64}@[\w-]+\.[\w.-]+", "<email>"),  # bounded: else a long word takes quadratic time
        (r"\b(?:req|batch|file|msg|msgbatch|chatcmpl|resp|org|proj|call|run|thread)[-_][A-Za-z0-9_-]+", "<id>"),
        (r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?", "<time>"),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "<ip>"),
        (r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{12,}\b", "<hash>"),
        (r"\"[^\"]*\"|'[^']*'|`[^`]*`", "<text>"),
        (r"\d+(?:[.,]\d+)*", "<n>"),
    )
)


@lru_cache(maxsize=4096)
def normalise(message: str) -> str:
    """The message with whatever varies from one occurrence to the next replaced by a word."""
    for pattern, word in _VARIABLE_PARTS:
        message = pattern.sub(word, message)
    return " ".join(message.split())[:500]


def fingerprint(*, source: str, provider: str, http_status: int | None, code: str, message: str) -> str:
    """`v1:` and the SHA-1 of what makes two failures the same."""
    parts = (source, provider, "" if http_status is None else str(http_status), code, normalise(message[:2000]))
    digest = hashlib.sha1("\x1f".join(parts).encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    return f"{VERSION}:{digest}"
