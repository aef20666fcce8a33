"""`welcome`: make the first login and the first API key, and show them once."""

import os

from django.core.management.base import BaseCommand
from django.utils import timezone

from batches.services.people.welcome import Welcome, welcome


class Command(BaseCommand):
    help = (
        "On a portal without users: makes the login `operator` (password from OPERATOR_PASSWORD, else generated) and a"
        " project `default` with an API key, and prints them. Does and prints nothing once there is a user."
    )

    def handle(self, *_args: object, **_options: object) -> None:
        chosen = os.environ.get("OPERATOR_PASSWORD", "")
        made = welcome(password=chosen, now=timezone.now())
        if made:
            self.stdout.write(_card(made, password="as OPERATOR_PASSWORD says" if chosen else made.password))


def _card(made: Welcome, *, password: str) -> str:
    rows = [
        "Welcome to Batchyard. Keep this: it is shown only now.",
        "",
        f"Console   user      {made.username}",
        f"          password  {password}",
        f"API       project   {made.project}",
        f"          key       {made.key}",
    ]
    width = max(map(len, rows))
    bar = "─" * (width + 2)
    return "\n".join(["", f"┌{bar}┐", *(f"│ {row:<{width}} │" for row in rows), f"└{bar}┘"])
