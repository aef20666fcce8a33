"""`apikey`: create, list, change and revoke the keys that clients use."""

from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q, QuerySet
from django.utils import timezone

from batches.management.named import day, is_plain, table
from batches.models import ApiKey, Scope
from batches.rules import identifiers
from batches.rules.actors import COMMAND
from batches.rules.errors import Conflict, InvalidRequest
from batches.services.bulk.revoke import Fate, revoke_at_once, running_batches
from batches.services.people.keys import change_key, issue_key

MAX_DAYS = 3650
KEY_HELP = "The key's first characters or its id, as `list` shows them."
ADDRESS_HELP = "Accept it from this address or network, such as 10.0.0.0/8 (repeatable). From everywhere, unless given."


class Command(BaseCommand):
    help = "Create, list, change and revoke API keys."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="Print a new key, alone on stdout. It cannot be shown again.")
        create.add_argument("--project", required=True, metavar="SLUG", help="Its project. A new project is created.")
        create.add_argument("--name", required=True, help="The service or person that will use the key.")
        create.add_argument("--expires-in-days", type=_days, metavar="N", help="Default: never.")
        create.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            help="What it may do (repeatable). Default: every scope. " + ". ".join(str(scope.label) for scope in Scope) + ".",
        )
        create.add_argument("--address", action="append", default=[], metavar="NETWORK", help=ADDRESS_HELP)
        listing = actions.add_parser("list", help="List the keys, newest first.")
        listing.add_argument("--project", metavar="SLUG", help="Only those of this project.")
        change = actions.add_parser("change", help="Rename a key, or change until when and from where it is accepted.")
        change.add_argument("key", metavar="PREFIX-OR-ID", help=KEY_HELP)
        change.add_argument("--name", help="The service or person that will use the key.")
        expiry = change.add_mutually_exclusive_group()
        expiry.add_argument("--expires-in-days", type=_days, metavar="N", help="From now.")
        expiry.add_argument("--never-expires", action="store_true")
        addresses = change.add_mutually_exclusive_group()
        addresses.add_argument("--address", action="append", metavar="NETWORK", help=ADDRESS_HELP)
        addresses.add_argument("--any-address", action="store_true")
        revoke = actions.add_parser("revoke", help="Refuse a key from now on.")
        revoke.add_argument("key", metavar="PREFIX-OR-ID", help=KEY_HELP)
        revoke.add_argument(
            "--batches",
            choices=Fate.values,
            default=Fate.RUN.value,
            help="What to do with its running batches. Default: let them run.",
        )
        revoke.add_argument("--reason", default="", help="The reason. The audit log shows it.")

    def handle(self, *_args: object, action: str, **options: Any) -> None:
        match action:
            case "create":
                self._create(**{name: options[name] for name in ("project", "name", "expires_in_days", "scope", "address")})
            case "list":
                self._list(project=options["project"])
            case "change":
                self._change(options["key"], options)
            case "revoke":
                self._revoke(options["key"], fate=Fate(options["batches"]), reason=options["reason"])

    def _create(
        self, *, project: str, name: str, expires_in_days: int | None, scope: list[str] | None, address: list[str]
    ) -> None:
        now = timezone.now()
        try:
            key, plain = issue_key(
                project,
                name=name,
                scopes=scope or Scope.values,
                addresses=" ".join(address),
                actor=COMMAND,
                now=now,
                expires_at=_expiry(expires_in_days, now=now),
            )
        except InvalidRequest as error:
            raise CommandError(error.message) from None
        self.stdout.write(plain)
        until = f" It works until {day(key.expires_at)}." if key.expires_at else ""
        self.stderr.write(f"Key {key.name} of project {key.project}. It is shown only now.{until}")

    def _list(self, *, project: str | None) -> None:
        now = timezone.now()
        keys = ApiKey.objects.select_related("project")
        if project is not None:
            keys = keys.filter(project__slug=project) if is_plain(project) else keys.none()
        rows = [
            ("PREFIX", "PROJECT", "NAME", "STATE", "SCOPES", "CREATED", "BY", "LAST USED", "EXPIRES", "ADDRESSES", "ID"),
        ]
        rows += [
            (
                key.prefix,
                key.project.slug,
                key.name,
                key.state(now=now).value,
                key.scopes.replace(" ", ","),
                day(key.created_at),
                key.created_by or "-",
                day(key.last_used_at),
                day(key.expires_at),
                key.addresses.replace(" ", ",") or "any",
                str(key.id),
            )
            for key in keys
        ]
        for line in table(rows):
            self.stdout.write(line)

    def _change(self, prefix_or_id: str, said: dict[str, Any]) -> None:
        key, now = _found(prefix_or_id), timezone.now()
        expires_at = None if said["never_expires"] else _expiry(said["expires_in_days"], now=now) or key.expires_at
        given = " ".join(said["address"] or ())
        try:
            key = change_key(
                key,
                name=key.name if said["name"] is None else said["name"],
                expires_at=expires_at,
                addresses="" if said["any_address"] else given or key.addresses,
                actor=COMMAND,
                now=now,
            )
        except (InvalidRequest, Conflict) as error:
            raise CommandError(error.message) from None
        until = f"until {day(key.expires_at)}" if key.expires_at else "without an end"
        self.stderr.write(f"Key {key} is accepted {until}, from {key.addresses or 'any address'}.")

    def _revoke(self, prefix_or_id: str, *, fate: Fate, reason: str) -> None:
        key = _found(prefix_or_id)
        try:
            stopped = revoke_at_once(key, fate=fate, actor=COMMAND, now=timezone.now(), reason=reason)
        except Conflict:
            raise CommandError(f"Key {key} was already revoked.") from None
        self.stderr.write(f"Key {key} of project {key.project} is refused from now on.")
        if fate is not Fate.RUN:
            self.stderr.write(f"Its running batches: {stopped} {'paused' if fate is Fate.PAUSE else 'being cancelled'}.")
        elif running := running_batches(key).count():
            self.stderr.write(f"Its running batches go on: {running}. With --batches they are paused or cancelled.")


def _expiry(days: int | None, *, now: datetime) -> datetime | None:
    return now + timedelta(days=days) if days else None


def _found(prefix_or_id: str) -> ApiKey:
    key = _named(prefix_or_id).select_related("project").first()
    if key is None:
        raise CommandError(f"There is no key {prefix_or_id!r}; `apikey list` shows the known ones.")
    return key


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_DAYS:
        raise ArgumentTypeError(f"a whole number of days from 1 to {MAX_DAYS} is needed")
    return int(text)


def _named(prefix_or_id: str) -> QuerySet[ApiKey]:
    if not is_plain(prefix_or_id):
        return ApiKey.objects.none()
    return ApiKey.objects.filter(Q(prefix=prefix_or_id) | Q(id=identifiers.parse(prefix_or_id)))
