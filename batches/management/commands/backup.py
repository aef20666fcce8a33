"""manage.py backup: write a backup of the database and of the files that it names."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from batches.rules.display.counted import counted
from batches.rules.display.sizes import size
from batches.services.backup.make import back_up
from batches.services.backup.place import BackupError, place_of


class Command(BaseCommand):
    help = (
        "Back up the portal while it runs: the database, then the files that it names, then a manifest. CREDENTIAL_KEYS and"
        " SECRET_KEY are not in the backup: keep them apart from it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("place", metavar="PLACE", help="An empty folder, or s3://BUCKET/PREFIX.")

    def handle(self, *_args: object, place: str, **_options: Any) -> None:
        try:
            manifest, missing = back_up(place_of(place), now=timezone.now())
        except BackupError as error:
            raise CommandError(str(error)) from None
        for name in missing:
            self.stderr.write(f"{name} is not in the file storage, although the database names it: see `manage.py verify`.")
        files = f"{counted(manifest.files_count, 'file')} of {size(manifest.files_bytes)}"
        rows = counted(sum(manifest.tables.values()), "row")
        self.stdout.write(f"Backed up to {place}: {rows} in {size(manifest.dump.bytes)}, {files}.")
