"""manage.py provider: configure upstreams."""

import json
import sys
from collections.abc import Iterable, Iterator
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from batches.management.amounts import add_amounts, given, key_value, told
from batches.management.named import provider_named
from batches.management.smoke import add_arguments, run_smoke
from batches.models import Project
from batches.rules.actors import COMMAND
from batches.rules.errors import PortalError
from batches.services.notices import subscriptions
from batches.services.people.second_factor import rotate_second_factors
from batches.services.policy.delegation import about_jobs, place_of
from batches.services.policy.tune import (
    JOB_SETTINGS,
    MODEL_SETTINGS,
    PROVIDER_SETTINGS,
    forget_model,
    tune_model,
    tune_provider,
)
from batches.services.upstreams import providers
from batches.services.webhooks.endpoints import encrypt_anew
from providers.models import CredentialUnavailable, Provider
from providers.registry import ADAPTERS

CREDENTIAL_HELP = "read the API key from standard input, and keep it encrypted"


class Command(BaseCommand):
    help = "Add, list, try, resume, enable, disable and remove providers, set limits, guards and prices, rotate credentials."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        add = verbs.add_parser("add", help="add a provider")
        add.add_argument("name")
        add.add_argument("--adapter", required=True, help=f"the kind of upstream, one of {', '.join(ADAPTERS)}")
        add.add_argument("--base-url", default="", help="such as https://api.example.com/v1")
        _add_credential(add)
        add.add_argument("--default", action="store_true", help="use it where a batch names no provider")
        add.add_argument(
            "--project", action="append", default=[], metavar="SLUG", help="let only this project use it (repeatable)"
        )
        add.add_argument(
            "--option",
            action="append",
            default=[],
            type=key_value,
            metavar="KEY=VALUE",
            help="setting of the adapter (repeatable)",
        )
        add_amounts(add, PROVIDER_SETTINGS)
        change = verbs.add_parser(
            "set", help="change limits, guards, batch API, address, options or credential of a provider, or the default"
        )
        change.add_argument("name")
        change.add_argument("--base-url", help="its new address")
        change.add_argument(
            "--option",
            action="append",
            default=[],
            type=key_value,
            metavar="KEY=VALUE",
            help="setting of the adapter; null takes one away (repeatable)",
        )
        change.add_argument("--default", action="store_true", help="use it where a batch names no provider")
        change.add_argument(
            "--project", action="append", default=[], metavar="SLUG", help="with --default: in this project only (repeatable)"
        )
        _add_credential(change).add_argument("--remove-credential", action="store_true", help="remove its credential")
        add_amounts(change, PROVIDER_SETTINGS)
        secret = verbs.add_parser("secret", help="store a secret, read from standard input, that options refer to by its name")
        secret.add_argument("name")
        secret.add_argument("secret", help='its name, as in --option headers=\'{"x-key": {"secret": "NAME"}}\'')
        secret.add_argument("--forget", action="store_true", help="remove it instead")
        model = verbs.add_parser("model", help="set limits and prices of one of its models")
        model.add_argument("name")
        model.add_argument("model", help="as requests name it")
        model.add_argument("--forget", action="store_true", help="remove its limits and prices")
        add_amounts(model, MODEL_SETTINGS)
        verbs.add_parser("list", help="list the providers")
        verbs.add_parser("show", help="show limits, guards and prices of a provider").add_argument("name")
        for verb, text in (
            ("resume", "end the hold of a provider; it is held again when the next request fails as before"),
            ("enable", "let new batches use a provider again"),
            ("disable", "send a provider nothing: no new batches, and running ones wait"),
            ("remove", "remove a provider that no batch uses"),
        ):
            verbs.add_parser(verb, help=text).add_argument("name")
        check = verbs.add_parser("check", help="try the connection of a provider, and a held one at once")
        check.add_argument("name")
        check.add_argument("--call", default="", metavar="MODEL", help="send one small call of this model, which is paid for")
        check.add_argument("--endpoint", default="", help="of that call, such as /v1/embeddings; else the first that it serves")
        add_arguments(verbs.add_parser("smoke", help="try a provider's batch API with a job of ten small requests"))
        verbs.add_parser("rotate", help="encrypt every stored secret anew under the first of CREDENTIAL_KEYS")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except (PortalError, CredentialUnavailable) as error:
            raise CommandError(str(error)) from error

    @transaction.atomic
    def _add(self, options: dict[str, Any]) -> None:
        limits = given(options, PROVIDER_SETTINGS)
        provider = providers.add_provider(
            options["name"],
            adapter=options["adapter"],
            actor=COMMAND,
            now=timezone.now(),
            base_url=options["base_url"],
            credential=_secret() if options["credential_stdin"] else "",
            credential_env=options["credential_env"],
            credential_file=options["credential_file"],
            options=dict(options["option"]),
            projects=[_project(slug) for slug in dict.fromkeys(options["project"])],
            default=options["default"],
        )
        if limits:
            tune_provider(provider, settings=limits, actor=COMMAND, now=timezone.now())
        self.stdout.write(f"Added provider {provider.name}. To try it: manage.py provider check {provider.name}")

    @transaction.atomic
    def _set(self, options: dict[str, Any]) -> None:
        limits, base_url, changed = given(options, PROVIDER_SETTINGS), options["base_url"], dict(options["option"])
        projects = [_project(slug) for slug in dict.fromkeys(options["project"])]
        credential = _credential(options)
        if projects and not options["default"]:
            raise CommandError("--project names the projects of a default: give it with --default.")
        is_configured = bool(changed or base_url is not None or credential)
        if not (limits or options["default"] or is_configured):
            raise CommandError("Nothing to set: name a limit or a guard, such as --requests-per-minute 600, or --default.")
        provider, now = provider_named(options["name"]), timezone.now()
        if is_configured:
            provider = providers.configure_provider(
                provider, base_url=base_url, options=changed, credential=credential, actor=COMMAND, now=now
            )
        if credential is not None:
            done = "Removed" if not any(credential) else "Stored" if credential.secret else "Noted"
            self.stdout.write(f"{done} the credential of provider {provider}.")
        if limits:
            provider = tune_provider(provider, settings=limits, actor=COMMAND, now=now)
        if limits or changed or base_url is not None:
            self.stdout.write(_settings(provider))
        if (limits or is_configured) and (jobs := about_jobs(provider)):
            self.stdout.write(jobs)
        if options["default"]:
            self._make_default(provider, projects)

    def _make_default(self, provider: Provider, projects: Iterable[Project]) -> None:
        where = ", ".join(project.slug for project in projects)
        for project in projects:
            providers.grant(provider, project=project, actor=COMMAND, now=timezone.now(), default=True)
        if not where:
            providers.make_default(provider, actor=COMMAND, now=timezone.now())
        self.stdout.write(f"Provider {provider} is the default{f' of {where}' if where else ''}.")

    def _secret(self, options: dict[str, Any]) -> None:
        provider, name = provider_named(options["name"]), options["secret"]
        secret = "" if options["forget"] else sys.stdin.read().strip()
        if not secret and not options["forget"]:
            raise CommandError("There is nothing on standard input; to remove a secret: --forget.")
        providers.set_secret(provider, name, secret=secret, actor=COMMAND, now=timezone.now())
        self.stdout.write(f"{'Forgot' if options['forget'] else 'Stored'} secret {name} of provider {provider.name}.")

    def _model(self, options: dict[str, Any]) -> None:
        provider, name = provider_named(options["name"]), options["model"]
        limits = given(options, MODEL_SETTINGS)
        if options["forget"]:
            forget_model(provider, name, actor=COMMAND, now=timezone.now())
            self.stdout.write(f"Forgot model {name} of provider {provider}.")
            return
        model = tune_model(provider, name, settings=limits, actor=COMMAND, now=timezone.now())
        self.stdout.write(told(model, MODEL_SETTINGS))

    def _show(self, options: dict[str, Any]) -> None:
        provider = provider_named(options["name"])
        self.stdout.write(_settings(provider))
        for line in _about(provider):
            self.stdout.write(line)
        for model in provider.models.all():
            self.stdout.write(told(model, MODEL_SETTINGS))

    def _list(self, _: dict[str, Any]) -> None:
        for provider in Provider.objects.prefetch_related("grants__project"):
            words = [provider.name, provider.adapter, provider.base_url or "-", _granted(provider)]
            words += [provider.way] if provider.way else []
            words += ["default"] if provider.is_default else []
            words += [] if provider.enabled else ["disabled"]
            self.stdout.write("\t".join(words))

    def _check(self, options: dict[str, Any]) -> None:
        found = providers.check_provider(
            provider_named(options["name"]),
            actor=COMMAND,
            now=timezone.now(),
            model=options["call"],
            endpoint=options["endpoint"],
        )
        if not found.ok:
            raise CommandError(found.message)
        self.stdout.write(found.message)

    def _smoke(self, options: dict[str, Any]) -> None:
        run_smoke(options, self.stdout)

    def _resume(self, options: dict[str, Any]) -> None:
        if providers.resume_provider(provider_named(options["name"]), actor=COMMAND, now=timezone.now()):
            self.stdout.write(f"Resumed provider {options['name']}.")
        else:
            self.stdout.write(f"Provider {options['name']} is not held: nothing to resume.")

    def _enable(self, options: dict[str, Any]) -> None:
        providers.enable_provider(provider_named(options["name"]), actor=COMMAND, now=timezone.now())
        self.stdout.write(f"Enabled provider {options['name']}.")

    def _disable(self, options: dict[str, Any]) -> None:
        providers.disable_provider(provider_named(options["name"]), actor=COMMAND, now=timezone.now())
        self.stdout.write(f"Disabled provider {options['name']}.")

    def _remove(self, options: dict[str, Any]) -> None:
        providers.remove_provider(provider_named(options["name"]), actor=COMMAND, now=timezone.now())
        self.stdout.write(f"Removed provider {options['name']}.")

    def _rotate(self, _: dict[str, Any]) -> None:
        now = timezone.now()
        rotated = providers.rotate_credentials(actor=COMMAND, now=now) + rotate_second_factors(actor=COMMAND, now=now)
        rotated += encrypt_anew(actor=COMMAND, now=now) + subscriptions.encrypt_anew(actor=COMMAND, now=now)
        self.stdout.write(f"Encrypted anew: {rotated}.")


def _add_credential(parser: CommandParser) -> Any:
    """Add the options for a credential, of which at most one may be given."""
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--credential-stdin", action="store_true", help=CREDENTIAL_HELP)
    ways.add_argument("--credential-env", default="", metavar="VAR", help="environment variable that holds the API key")
    ways.add_argument("--credential-file", default="", metavar="NAME", help="file in CREDENTIALS_DIR that holds the API key")
    return ways


def _credential(options: dict[str, Any]) -> providers.Credential | None:
    """The credential on the command line; None if there is none."""
    if options["credential_stdin"]:
        return providers.Credential(_secret())
    if options["credential_env"] or options["credential_file"]:
        return providers.Credential(variable=options["credential_env"], file=options["credential_file"])
    return providers.Credential() if options["remove_credential"] else None


def _secret() -> str:
    """The first line of standard input, which is not shown while it is typed. Raises CommandError if it is empty."""
    secret = getpass("Credential: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not secret:
        raise CommandError("Standard input has no credential: write it there, such as with: provider set NAME < FILE.")
    return secret


def _project(slug: str) -> Project:
    try:
        return Project.objects.get(slug=slug)
    except Project.DoesNotExist:
        known = ", ".join(Project.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"There is no project {slug!r}. Known: {known}.") from None


def _settings(provider: Provider) -> str:
    """A line with the settings of a provider; those of its batch API if it has one."""
    return told(provider, PROVIDER_SETTINGS if provider.jobs_family else [n for n in PROVIDER_SETTINGS if n not in JOB_SETTINGS])


def _about(provider: Provider) -> Iterator[str]:
    """Lines about the connection and the options of a provider. Secrets are shown only by name."""
    if provider.way:
        yield f"{provider.name}\ttransport {provider.way}"
    if provider.jobs_family:
        yield f"{provider.name}\tbatch API {place_of(provider).sentence}"
    if jobs := about_jobs(provider):
        yield f"{provider.name}\t{jobs}"
    if provider.options:
        yield f"{provider.name}\toptions {json.dumps(provider.options, sort_keys=True)}"
    if stored := provider.secret_names:
        yield f"{provider.name}\tsecrets {', '.join(stored)}"


def _granted(provider: Provider) -> str:
    if provider.granted_to_all:
        return "all projects"
    return (
        ", ".join(f"{grant.project.slug}{' (default)' if grant.is_default else ''}" for grant in provider.grants.all())
        or "nobody"
    )
