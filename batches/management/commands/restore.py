"""manage.py restore: bring a backup into an empty system, or check one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from batches.rules.display.counted import counted
from batches.services.backup.place import BackupError, place_of
from batches.services.backup.restore import check, restore

NEXT = "Now run `manage.py migrate`, then `manage.py verify --check`, and start the portal: running batches go on."


class Command(BaseCommand):
    requires_system_checks = ()  # there is no database yet
    help = "Restore a backup into an empty database and an empty file storage. Nothing is ever overwritten."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("place", metavar="PLACE", help="The folder of the backup, or s3://BUCKET/PREFIX.")
        parser.add_argument("--check", action="store_true", help="only read the backup, and compare it with its manifest")
        parser.add_argument(
            "--without-keys",
            action="store_true",
            help="also if CREDENTIAL_KEYS are lost: credentials in the database then have to be entered anew",
        )

    def handle(self, *_args: object, place: str, **options: Any) -> None:
        try:
            source = place_of(place)
            manifest = check(source) if options["check"] else restore(source, without_keys=options["without_keys"])
        except BackupError as error:
            raise CommandError(str(error)) from None
        done = "is whole" if options["check"] else "is restored"
        rows, files = counted(sum(manifest.tables.values()), "row"), counted(manifest.files_count, "file")
        self.stdout.write(f"The backup of {manifest.made_at:%Y-%m-%d %H:%M} UTC {done}: {rows}, {files}.")
        if not options["check"]:
            self.stdout.write(NEXT)
