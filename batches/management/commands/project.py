"""manage.py project: the quotas of projects, and whether their requests may be stored at providers."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from batches.management.amounts import NONE, add_amounts, given
from batches.management.named import project_named
from batches.models import Project
from batches.rules.actors import COMMAND
from batches.rules.errors import PortalError
from batches.rules.execution import Execution
from batches.services.policy.delegation import PROJECT_SETTINGS, places_for, set_delegation
from batches.services.policy.quota import QUOTAS, quotas, set_quotas


class Command(BaseCommand):
    help = "List projects with their quotas and delegation, and set those."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser("list", help="list the projects, with what they have and may have at once")
        limits = verbs.add_parser("set", help="give a project quotas of its own, or allow delegation; none is the default again")
        limits.add_argument("slug")
        add_amounts(limits, QUOTAS, prefix="max_")
        limits.add_argument(
            "--may-delegate", choices=("yes", "no"), help="whether its requests may be stored at providers, by their batch APIs"
        )
        limits.add_argument(
            "--execution", choices=(*Execution.values, NONE), help="of batches that do not say; none: as providers say"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except PortalError as error:
            raise CommandError(str(error)) from error

    def _list(self, _: dict[str, Any]) -> None:
        for project in Project.objects.all():
            self._say(project)

    def _set(self, options: dict[str, Any]) -> None:
        project = project_named(options["slug"])
        limits, delegation = given(options, QUOTAS), given(options, PROJECT_SETTINGS)
        if not (limits or delegation):
            raise CommandError("Nothing to set: name a quota, such as --max-open-batches 50, or --may-delegate yes.")
        if limits:
            project = set_quotas(project, limits=limits, actor=COMMAND, now=timezone.now())
        if delegation:
            project = self._delegate(project, delegation)
        self._say(project)

    def _delegate(self, project: Project, settings: dict[str, Any]) -> Project:
        if "may_delegate" in settings:
            settings["may_delegate"] = settings["may_delegate"] == "yes"
        project, jobs = set_delegation(project, settings=settings, actor=COMMAND, now=timezone.now())
        if project.may_delegate:
            for place in places_for(project):
                self.stdout.write(f"{place.provider.name}\t{place.sentence}")
        if jobs.sentence:
            self.stdout.write(jobs.sentence)
        return project

    def _say(self, project: Project) -> None:
        stand = [f"{quota.name} {quota.used}/{'-' if quota.limit is None else quota.limit}" for quota in quotas(project)]
        stand += ["may_delegate"] if project.may_delegate else []
        stand += [f"execution {project.execution}"] if project.execution else []
        self.stdout.write("\t".join([project.slug, *stand]))
