"""`apikey`: create, list and revoke the keys that clients use."""

from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q, QuerySet
from django.utils import timezone

from batches import identifiers
from batches.actors import COMMAND
from batches.errors import InvalidRequest
from batches.models import ApiKey
from batches.services.keys import issue_key, revoke_key

MAX_DAYS = 3650


class Command(BaseCommand):
    help = "Create, list and revoke API keys."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="Print a new key, alone on stdout. It cannot be shown again.")
        create.add_argument("--project", required=True, metavar="SLUG", help="Its project, which is made when it is new.")
        create.add_argument("--name", required=True, help="What will use the key.")
        create.add_argument("--expires-in-days", type=_days, metavar="N", help="Never, unless given.")
        listing = actions.add_parser("list", help="Show the keys there are, newest first.")
        listing.add_argument("--project", metavar="SLUG", help="Only those of this project.")
        revoke = actions.add_parser("revoke", help="Refuse a key from now on.")
        revoke.add_argument("key", metavar="PREFIX-OR-ID", help="The key's first characters or its id, as `list` shows them.")

    def handle(self, *_args: object, action: str, **options: Any) -> None:
        match action:
            case "create":
                self._create(project=options["project"], name=options["name"], days=options["expires_in_days"])
            case "list":
                self._list(project=options["project"])
            case "revoke":
                self._revoke(options["key"])

    def _create(self, *, project: str, name: str, days: int | None) -> None:
        now = timezone.now()
        try:
            key, plain = issue_key(
                project, name=name, actor=COMMAND, now=now, expires_at=now + timedelta(days=days) if days else None
            )
        except InvalidRequest as error:
            raise CommandError(error.message) from None
        self.stdout.write(plain)
        until = f" It works until {_day(key.expires_at)}." if key.expires_at else ""
        self.stderr.write(f"Key {key.name} of project {key.project}. It is shown only now.{until}")

    def _list(self, *, project: str | None) -> None:
        now = timezone.now()
        keys = ApiKey.objects.select_related("project")
        if project is not None:
            keys = keys.filter(project__slug=project) if _is_plain(project) else keys.none()
        rows = [("PREFIX", "PROJECT", "NAME", "STATE", "CREATED", "LAST USED", "EXPIRES", "ID")]
        rows += [
            (
                key.prefix,
                key.project.slug,
                key.name,
                _state(key, now=now),
                _day(key.created_at),
                _day(key.last_used_at),
                _day(key.expires_at),
                str(key.id),
            )
            for key in keys
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())

    def _revoke(self, prefix_or_id: str) -> None:
        key = _named(prefix_or_id).select_related("project").first()
        if key is None:
            raise CommandError(f"There is no key {prefix_or_id!r}; `apikey list` shows those there are.")
        if not revoke_key(key, actor=COMMAND, now=timezone.now()):
            raise CommandError(f"Key {key} was revoked before.")
        self.stderr.write(f"Key {key} of project {key.project} is refused from now on.")


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_DAYS:
        raise ArgumentTypeError(f"a whole number of days from 1 to {MAX_DAYS} is needed")
    return int(text)


def _named(prefix_or_id: str) -> QuerySet[ApiKey]:
    if not _is_plain(prefix_or_id):
        return ApiKey.objects.none()
    return ApiKey.objects.filter(Q(prefix=prefix_or_id) | Q(id=identifiers.parse(prefix_or_id)))


def _is_plain(text: str) -> bool:
    """Whether a database can compare with it: neither NUL nor a byte that was no UTF-8."""
    return text.isascii() and text.isprintable()


def _state(key: ApiKey, *, now: datetime) -> str:
    if key.revoked_at:
        return "revoked"
    return "usable" if key.is_usable(now=now) else "expired"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "-"
