"""Texts from forms of the console, made fit for the database."""

from django.http import HttpRequest


def form_text(request: HttpRequest, name: str, *, chars: int) -> str:
    """The text of a field, stripped and cut to `chars` characters. A NUL, which no database stores, becomes U+FFFD."""
    return request.POST.get(name, "").strip().replace("\0", "\ufffd")[:chars]
