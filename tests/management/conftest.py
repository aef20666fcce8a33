"""Commands as an operator types them."""

from io import StringIO

from django.core.management import call_command


def provider(*arguments: str) -> str:
    out = StringIO()
    call_command("provider", *arguments, stdout=out)
    return out.getvalue()
