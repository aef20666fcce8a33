"""Characters that many readers take for the end of a line, although JSON allows them raw inside strings."""

LINE_SEPARATORS = "\u0085\u2028\u2029"
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in LINE_SEPARATORS})


def without_separators(document: bytes) -> bytes:
    """A JSON document whose U+0085, U+2028 and U+2029 are escaped; another way to write the same values."""
    if document.isascii():
        return document
    text = document.decode()  # looking through text is many times as fast as through bytes
    if any(character in text for character in LINE_SEPARATORS):
        return text.translate(_ESCAPES).encode()
    return document
