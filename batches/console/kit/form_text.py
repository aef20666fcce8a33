"""What people write into the forms of the console, as the database takes it."""

from django.http import HttpRequest


def form_text(request: HttpRequest, name: str, *, chars: int) -> str:
    """The text of a field, without space around it, cut to so many characters; a NUL, which no database keeps, is shown."""
    return request.POST.get(name, "").strip().replace("\0", "\ufffd")[:chars]
