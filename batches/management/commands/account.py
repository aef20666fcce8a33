"""`account`: issue, list and revoke the tokens by which clients of the Merge dialect name a linked account."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import timezone

from batches.management.named import day, is_plain, provider_named, table
from batches.models import AccountToken, Project
from batches.rules import identifiers
from batches.rules.actors import COMMAND
from batches.rules.errors import InvalidRequest
from batches.services.people.accounts import issue_token, revoke_token
from providers.models import Provider


class Command(BaseCommand):
    help = "Issue, list and revoke account tokens: what clients send as X-Account-Token."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        issue = actions.add_parser("issue", help="Print a new token, alone on stdout. It cannot be shown again.")
        issue.add_argument("--project", required=True, metavar="SLUG", help="The project whose keys it goes with.")
        issue.add_argument("--provider", required=True, metavar="NAME", help="The provider that it stands for.")
        listing = actions.add_parser("list", help="List the tokens, newest first.")
        listing.add_argument("--project", metavar="SLUG", help="Only those of this project.")
        revoke = actions.add_parser("revoke", help="Refuse a token from now on.")
        revoke.add_argument("token", metavar="ID", help="The token's id, as `list` shows it.")

    def handle(self, *_args: object, action: str, **options: Any) -> None:
        match action:
            case "issue":
                self._issue(project=_project(options["project"]), provider=provider_named(options["provider"]))
            case "list":
                self._list(project=options["project"])
            case "revoke":
                self._revoke(options["token"])

    def _issue(self, *, project: Project, provider: Provider) -> None:
        try:
            token, plain = issue_token(project, provider=provider, actor=COMMAND, now=timezone.now())
        except InvalidRequest as error:
            raise CommandError(error.message) from None
        self.stdout.write(plain)
        self.stderr.write(f"Token {token.id}: project {project} at provider {provider}. It is shown only now.")

    def _list(self, *, project: str | None) -> None:
        tokens: QuerySet[AccountToken] = AccountToken.objects.select_related("project", "provider")
        if project is not None:
            tokens = tokens.filter(project=_project(project))
        rows = [("ID", "PROJECT", "PROVIDER", "STATE", "ISSUED")]
        rows += [
            (
                str(token.id),
                token.project.slug,
                token.provider.name,
                f"revoked {day(token.revoked_at)}" if token.revoked_at else "usable",
                day(token.created_at),
            )
            for token in tokens
        ]
        for line in table(rows):
            self.stdout.write(line)

    def _revoke(self, text: str) -> None:
        key = identifiers.parse(text)
        token = AccountToken.objects.select_related("project", "provider").filter(pk=key).first() if key else None
        if token is None:
            raise CommandError(f"There is no token with the id {text!r}; `account list` shows the known ones.")
        if not revoke_token(token, actor=COMMAND, now=timezone.now()):
            raise CommandError(f"Token {token.id} was already revoked.")
        self.stderr.write(f"Token {token.id} ({token}) is refused from now on.")


def _project(slug: str) -> Project:
    project = Project.objects.filter(slug=slug).first() if is_plain(slug) else None
    if project is None:
        raise CommandError(f"There is no project {slug!r}.")
    return project
