"""manage.py erase: erase a custom_id or a metadata pair from everything that a project keeps, and show receipts."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from batches.management.named import project_named
from batches.models import Erasure
from batches.rules import identifiers
from batches.rules.actors import COMMAND
from batches.rules.display.counted import counted
from batches.rules.display.sizes import size
from batches.rules.errors import PortalError
from batches.services.erasure.erase import ask, run
from batches.services.erasure.preview import preview
from batches.services.erasure.receipt import at_providers, summary
from batches.services.erasure.subject import Subject

STDIN = "-"


class Command(BaseCommand):
    help = "Erase a custom_id or a metadata pair from everything that a project keeps. A receipt says what was erased where."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        look, do = (
            verbs.add_parser("preview", help="say what would be touched; nothing is written"),
            verbs.add_parser("run", help="erase"),
        )
        for command in (look, do):
            command.add_argument("slug")
            _add_value(command)
        do.add_argument("--reason", required=True, help="is kept in the receipt, and may not name the value")
        verbs.add_parser("list", help="list the erasures").add_argument("slug", nargs="?")
        verbs.add_parser("show", help="print a receipt").add_argument("id")
        check = verbs.add_parser("check", help="say whether a receipt is for this value (exits with 1 if not)")
        check.add_argument("id")
        _add_value(check)

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except PortalError as error:
            raise CommandError(str(error)) from error

    def _preview(self, options: dict[str, Any]) -> None:
        found = preview(project_named(options["slug"]), _subject(options))
        requests, results = counted(found.requests, "request", "requests"), counted(found.results, "result row", "result rows")
        self.stdout.write(f"{requests} with {results} in {counted(found.batch_count, 'batch', 'batches')}.")
        self.stdout.write(f"{counted(found.files, 'file', 'files')} would be searched ({size(found.bytes)}).")
        for job in found.jobs:
            self.stdout.write(f"Job {job.marker} may have files at provider {job.provider.name}; they would be deleted there.")
        for obstacle in found.obstacles:
            self.stdout.write(f"Cannot begin. {obstacle}")

    def _run(self, options: dict[str, Any]) -> None:
        project, now = project_named(options["slug"]), timezone.now()
        erasure = ask(project, _subject(options), reason=options["reason"], actor=COMMAND, now=now)
        if run(erasure.pk, now=now) is None:
            self.stdout.write(f"{erasure} is carried out by a worker. `manage.py erase show {erasure}` shows its receipt.")
            return
        self._say(Erasure.objects.select_related("project").get(pk=erasure.pk))

    def _list(self, options: dict[str, Any]) -> None:
        found = Erasure.objects.select_related("project")
        for erasure in found.filter(project=project_named(options["slug"])) if options["slug"] else found:
            until = f"{erasure.ended_at:%Y-%m-%d %H:%M}" if erasure.ended_at else "running"
            row = (str(erasure), erasure.project.slug, erasure.get_kind_display(), until, erasure.asked_by, erasure.reason)
            self.stdout.write("\t".join(row))

    def _show(self, options: dict[str, Any]) -> None:
        self._say(_found(options["id"]))

    def _check(self, options: dict[str, Any]) -> None:
        erasure, subject = _found(options["id"]), _subject(options)
        if erasure.kind != subject.kind or not erasure.is_of(subject.text):
            raise CommandError(f"{erasure} is not the receipt for this value.")
        self.stdout.write(f"{erasure} is the receipt for this value.")

    def _say(self, erasure: Erasure) -> None:
        for line in [*summary(erasure), *at_providers(erasure)]:
            self.stdout.write(line)


def _add_value(parser: CommandParser) -> None:
    value = parser.add_mutually_exclusive_group(required=True)
    value.add_argument(
        "--custom-id", metavar="TEXT", help=f"{STDIN} reads it from standard input, which no list of processes shows"
    )
    value.add_argument("--metadata", metavar="KEY=VALUE", help="the batches with this pair; - likewise")


def _subject(options: dict[str, Any]) -> Subject:
    kind = Erasure.Kind.CUSTOM_ID if options["custom_id"] is not None else Erasure.Kind.METADATA
    text = options["custom_id"] if kind is Erasure.Kind.CUSTOM_ID else options["metadata"]
    return Subject.of(kind, sys.stdin.read().rstrip("\r\n") if text == STDIN else text)


def _found(text: str) -> Erasure:
    key = identifiers.parse(text)
    erasure = Erasure.objects.select_related("project").filter(pk=key).first() if key else None
    if erasure is None:
        raise CommandError(f"There is no erasure {text!r}. `manage.py erase list` lists them.")
    return erasure
