"""manage.py retention: how long projects keep what, legal holds, disk use, and what is kept longer than it should be."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from batches.management.amounts import NONE
from batches.management.named import project_named
from batches.models import Batch, Leftover, LegalHold, Project, RetentionKind
from batches.rules import identifiers
from batches.rules.actors import COMMAND
from batches.rules.errors import PortalError
from batches.services.retention.disk_use import disk_use
from batches.services.retention.holds import place_hold, release_hold
from batches.services.retention.terms import Term, bounds_of, set_terms, terms
from batches.services.upkeep.overdue import overdue
from batches.services.upkeep.prune import prune


class Command(BaseCommand):
    help = "Show and set how long projects keep what; place and release legal holds; show disk use and what is overdue."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        shown = verbs.add_parser("list", help="list what projects keep, how long, and where that comes from")
        shown.add_argument("slug", nargs="?")
        change = verbs.add_parser("set", help="give a project terms of its own, in days; none is the portal's term again")
        change.add_argument("slug")
        for kind in RetentionKind:
            least, most = bounds_of(kind)
            about = f"{kind.sentence} From {least} to {most} days.".replace("%", "%%")
            change.add_argument(f"--{kind.value}", metavar="DAYS", type=_days, help=about)
        hold = verbs.add_parser("hold", help="put a project, or one of its batches, under legal hold")
        hold.add_argument("slug")
        hold.add_argument("--batch", metavar="ID", help="only this batch")
        hold.add_argument("--reason", required=True)
        verbs.add_parser("holds", help="list the legal holds, also those that were released")
        release = verbs.add_parser("release", help="release a legal hold")
        release.add_argument("id")
        release.add_argument("--reason", required=True)
        verbs.add_parser("prune", help="remove what is overdue now, and not within five minutes")
        for verb, about in (("use", "show the stored bytes of projects"), ("overdue", "show what could not be removed, and why")):
            verbs.add_parser(verb, help=about).add_argument("slug", nargs="?")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except PortalError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        for project in _projects(options):
            self._say(project, terms(project))

    def _set(self, options: dict[str, Any]) -> None:
        given = {kind: options[kind.value] for kind in RetentionKind if options[kind.value] is not None}
        if not given:
            raise CommandError("Nothing to set: name a kind, such as --bodies 30.")
        days = {kind: None if value == NONE else int(value) for kind, value in given.items()}
        project = project_named(options["slug"])
        self._say(project, set_terms(project, days=days, actor=COMMAND, now=timezone.now()))

    def _say(self, project: Project, found: list[Term]) -> None:
        for term in found:
            lifetime = "kept" if term.days is None else f"{term.days} days"
            self.stdout.write("\t".join([project.slug, term.kind.value, lifetime, f"set by {term.source}"]))

    def _hold(self, options: dict[str, Any]) -> None:
        project = project_named(options["slug"])
        batch = None
        if options["batch"]:
            key = identifiers.parse(options["batch"])
            batch = Batch.objects.filter(project=project, pk=key).first() if key else None
            if batch is None:
                raise CommandError(f"Project {project} has no batch {options['batch']!r}.")
        hold = place_hold(project, batch=batch, reason=options["reason"], actor=COMMAND, now=timezone.now())
        self.stdout.write(f"{hold.pk}\t{hold.place} is under legal hold.")

    def _holds(self, _: dict[str, Any]) -> None:
        for hold in LegalHold.objects.select_related("project").order_by("released_at", "-placed_at"):
            until = f"released {hold.released_at:%Y-%m-%d} by {hold.released_by}" if hold.released_at else "active"
            self.stdout.write("\t".join([str(hold.pk), hold.project.slug, hold.place, until, hold.reason]))

    def _release(self, options: dict[str, Any]) -> None:
        key = identifiers.parse(options["id"])
        hold = LegalHold.objects.select_related("project").filter(pk=key).first() if key else None
        if hold is None:
            raise CommandError(f"There is no legal hold {options['id']!r}. `manage.py retention holds` lists them.")
        release_hold(hold, reason=options["reason"], actor=COMMAND, now=timezone.now())
        self.stdout.write(f"{hold.place} is no longer under this hold.")

    def _prune(self, _: dict[str, Any]) -> None:
        prune(now=timezone.now())
        self.stdout.write(f"Rows of {Leftover.objects.count()} batches are left, which workers delete piece by piece.")

    def _use(self, options: dict[str, Any]) -> None:
        for project in _projects(options):
            uses = disk_use(project, now=timezone.now())
            for use in uses:
                self.stdout.write("\t".join([project.slug, use.kind.value, f"{use.files} files", f"{use.bytes} bytes"]))

    def _overdue(self, options: dict[str, Any]) -> None:
        for project in _projects(options):
            for item in overdue(project, now=timezone.now()):
                self.stdout.write("\t".join([project.slug, item.kind.value, item.counted, item.reason, " ".join(item.names)]))


def _projects(options: dict[str, Any]) -> list[Project]:
    return [project_named(options["slug"])] if options["slug"] else list(Project.objects.all())


def _days(text: str) -> str:
    if text != NONE and not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ArgumentTypeError(f"{text!r} is neither a number of days nor {NONE}")
    return text
