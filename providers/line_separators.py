"""Line separators: characters that many programs treat as the end of a line, although JSON allows them raw in strings."""

LINE_SEPARATORS = "\u0085\u2028\u2029"
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in LINE_SEPARATORS})


def without_separators(document: bytes) -> bytes:
    """A JSON document with U+0085, U+2028 and U+2029 escaped. Its values stay the same."""
    if document.isascii():
        return document
    text = document.decode()  # a search in text is many times faster than one in bytes
    if any(character in text for character in LINE_SEPARATORS):
        return text.translate(_ESCAPES).encode()
    return document
