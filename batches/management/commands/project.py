"""manage.py project: the quotas of projects."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from batches.management.amounts import add_amounts, given
from batches.models import Project
from batches.rules.actors import COMMAND
from batches.rules.errors import PortalError
from batches.services.policy.quota import QUOTAS, quotas, set_quotas


class Command(BaseCommand):
    help = "List projects with their quotas, and set those."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser("list", help="list the projects, with what they have and may have at once")
        limits = verbs.add_parser("set", help="give a project quotas of its own; none is the portal's default again")
        limits.add_argument("slug")
        add_amounts(limits, QUOTAS, prefix="max_")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except PortalError as error:
            raise CommandError(str(error)) from error

    def _list(self, _: dict[str, Any]) -> None:
        for project in Project.objects.all():
            self._say(project)

    def _set(self, options: dict[str, Any]) -> None:
        project = Project.objects.called(options["slug"])
        if project is None:
            known = ", ".join(Project.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no project {options['slug']!r}. Known: {known}.")
        limits = given(options, QUOTAS)
        if not limits:
            raise CommandError("Nothing to set: name a quota, such as --max-open-batches 50.")
        self._say(set_quotas(project, limits=limits, actor=COMMAND, now=timezone.now()))

    def _say(self, project: Project) -> None:
        stand = [f"{quota.name} {quota.used}/{'-' if quota.limit is None else quota.limit}" for quota in quotas(project)]
        self.stdout.write("\t".join([project.slug, *stand]))
