"""`stop`: stop all sending or all intake in an emergency, see what is stopped, and end a stop."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from batches.management.named import provider_named
from batches.models import EmergencyStop, Project, Stopped
from batches.rules import identifiers
from batches.rules.actors import COMMAND
from batches.rules.errors import PortalError
from batches.services.policy.emergency_stop import Place, begin_stop, end_stop, stops_in_force

CONSEQUENCES = {
    Stopped.SENDING: "Sending ends within about a second. Requests in flight may still finish. Deadlines do not move.",
    Stopped.INTAKE: "Create calls, uploads, retries and clones are refused with 503. Accepted batches keep running.",
}


class Command(BaseCommand):
    help = "Stop all sending or all intake in an emergency, list what is stopped, and end a stop."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        for what in Stopped:
            begin = acts.add_parser(what.value, help=f"Stop all {what.value}. {CONSEQUENCES[what]}")
            place = begin.add_mutually_exclusive_group(required=True)
            place.add_argument("--portal", action="store_true", help="For the whole portal.")
            place.add_argument("--provider", metavar="NAME", help="For this provider, whatever the project.")
            place.add_argument("--project", metavar="SLUG", help="For this project, whatever the provider.")
            begin.add_argument("--reason", required=True, help="One sentence. Tenants read it: on pages and in answers.")
        acts.add_parser("list", help="Show what is stopped, the oldest first.")
        end = acts.add_parser("end", help="End a stop.")
        end.add_argument("stop", metavar="ID", help="The stop's id, as `list` shows it.")

    def handle(self, *_args: object, act: str, **options: Any) -> None:
        match act:
            case "list":
                self._list()
            case "end":
                self._end(options["stop"])
            case _:
                self._begin(Stopped(act), _place(options["provider"], options["project"]), reason=options["reason"])

    def _begin(self, what: Stopped, place: Place, *, reason: str) -> None:
        try:
            stop = begin_stop(what, place, reason=reason, actor=COMMAND, now=timezone.now())
        except PortalError as error:
            raise CommandError(error.message) from None
        self.stdout.write(str(stop.pk))
        self.stderr.write(f"{stop.sentence} {CONSEQUENCES[what]} It lasts until `manage.py stop end {stop.pk}`.")

    def _list(self) -> None:
        stops = stops_in_force()
        for stop in stops:
            self.stdout.write(
                f"{stop.pk}  since {stop.began_at:%Y-%m-%d %H:%M} by {stop.began_by}: {stop.sentence} {stop.reason}"
            )
        if not stops:
            self.stderr.write("Nothing is stopped.")

    def _end(self, text: str) -> None:
        key = identifiers.parse(text)
        stop = EmergencyStop.objects.select_related("provider", "project").filter(pk=key).first() if key else None
        if stop is None:
            raise CommandError(f"There is no stop with the id {text!r}; `stop list` shows the known ones.")
        if not end_stop(stop, actor=COMMAND, now=timezone.now()):
            raise CommandError(f"This stop had already ended: {stop}.")
        self.stderr.write(f"The stop has ended: {stop}.")


def _place(provider_name: str | None, slug: str | None) -> Place:
    if provider_name is not None:
        return Place(provider=provider_named(provider_name))
    if slug is not None:
        project = Project.objects.called(slug)
        if project is None:
            raise CommandError(f"There is no project {slug!r}; `project list` shows the known ones.")
        return Place(project=project)
    return Place()
