"""manage.py reconcile: the name that `manage.py verify` had up to 0.1.0. It answers for one release more, and says so."""

from typing import Any

from batches.management.commands.verify import Command as Verify


class Command(Verify):
    help = "The former name of `verify`. It runs `verify`, and the next release removes it."

    def handle(self, *arguments: Any, **options: Any) -> None:
        self.stderr.write("`manage.py reconcile` is now called `manage.py verify`; the next release removes the old name.")
        super().handle(*arguments, **options)
