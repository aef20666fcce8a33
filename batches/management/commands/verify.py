"""manage.py verify: prove that the portal agrees with itself, or mend it."""

import json
from argparse import ArgumentTypeError
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from batches.models import Batch
from batches.models.batch import BatchQuerySet
from batches.rules import identifiers
from batches.rules.actors import Actor
from batches.rules.display.counted import counted
from batches.rules.states import Source
from batches.services.consistency.orphans import orphan_files, orphan_rows, remove_orphan_file, remove_orphans
from batches.services.consistency.verify import CHECKS, disagreements, mend

ACTOR = Actor("command verify", Source.COMMAND)
KEPT = "Only what the portal wrote itself, over a day ago, is deleted."


class Command(BaseCommand):
    help = "Compare counts, rows, files and states with each other. Exits with 1 when something disagrees and is not mended."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_mutually_exclusive_group(required=True)
        verbs.add_argument("--check", action="store_true", help="print every disagreement")
        verbs.add_argument("--repair", action="store_true", help="mend what can be mended, with an entry in the batch's timeline")
        verbs.add_argument("--list", action="store_true", help="print what is checked")
        parser.add_argument("--batch", metavar="ID", help="only this batch")
        parser.add_argument("--since", type=_moment, metavar="TIME", help="only batches created, or ended, since then (ISO 8601)")
        parser.add_argument("--orphans", action="store_true", help="look for files in the storage, too, that nothing refers to")
        parser.add_argument("--json", action="store_true", help="one JSON object for each disagreement")

    def handle(self, *_: Any, **options: Any) -> None:
        now = timezone.now()
        if options["list"]:
            for check in CHECKS:
                self.stdout.write(f"{check.name}: {check.sentence}{'' if check.can_mend else ' (cannot be mended)'}")
            return
        batches = _chosen(options)
        left = self._repair(batches, options, now=now) if options["repair"] else self._check(batches, options, now=now)
        if left:
            raise CommandError(f"{counted(left, 'disagreement')}.", returncode=1)
        if not options["json"]:
            self.stdout.write("Everything agrees.")

    def _check(self, batches: BatchQuerySet, options: dict[str, Any], *, now: datetime) -> int:
        found = 0
        for disagreement in disagreements(batches, now=now):
            found += 1
            self._say(options, disagreement.check.name, disagreement.text, batch=str(disagreement.batch))
        for model, batch_id in () if options["batch"] else orphan_rows():
            found += 1
            self._say(options, "orphan_rows", f"{model._meta.verbose_name_plural} of batch {batch_id}, which is gone")
        return found + self._check_files(options, now=now)

    def _repair(self, batches: BatchQuerySet, options: dict[str, Any], *, now: datetime) -> int:
        left = 0
        for mended in mend(batches, actor=ACTOR, now=now):
            left += not mended.done
            found = mended.disagreement
            self._say(options, found.check.name, found.text, batch=str(found.batch), done=mended.done, reason=mended.reason)
        for model, batch_id in () if options["batch"] else orphan_rows():
            removed = remove_orphans(model, batch_id)
            text = f"{model._meta.verbose_name_plural} of batch {batch_id}, which is gone"
            self._say(options, "orphan_rows", text, done=f"Deleted {removed}.")
        return left + self._repair_files(options, now=now)

    def _check_files(self, options: dict[str, Any], *, now: datetime) -> int:
        found = 0
        for name in _orphan_files(options, now=now):
            found += 1
            self._say(options, "orphan_files", f"nothing refers to {name}")
        return found

    def _repair_files(self, options: dict[str, Any], *, now: datetime) -> int:
        left = 0
        for name in _orphan_files(options, now=now):
            removed = remove_orphan_file(name, now=now)
            left += not removed
            outcome = {"done": "Deleted."} if removed else {"reason": KEPT}
            self._say(options, "orphan_files", f"nothing refers to {name}", **outcome)
        return left

    def _say(self, options: dict[str, Any], check: str, text: str, **more: str) -> None:
        details = {name: value for name, value in more.items() if value}
        if options["json"]:
            self.stdout.write(json.dumps({"check": check, "text": text, **details}))
            return
        batch = f"{details['batch']}: " if "batch" in details else ""
        outcome = details.get("done") or (f"Not mended. {details['reason']}" if "reason" in details else "")
        self.stdout.write(f"{check}: {batch}{text}.{f' {outcome}' if outcome else ''}")


def _orphan_files(options: dict[str, Any], *, now: datetime) -> Iterator[str]:
    return orphan_files(now=now) if options["orphans"] else iter(())


def _chosen(options: dict[str, Any]) -> BatchQuerySet:
    if options["batch"]:
        key = identifiers.parse(options["batch"])
        if key is None or not Batch.objects.filter(pk=key).exists():
            raise CommandError(f"There is no batch {options['batch']!r}.")
        return Batch.objects.filter(pk=key)
    if options["since"]:
        since = options["since"]
        return Batch.objects.filter(created_at__gte=since) | Batch.objects.filter(ended_at__gte=since)
    return Batch.objects.all()


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text) or parse_datetime(f"{text}T00:00")
    except ValueError:
        moment = None
    if moment is None:
        raise ArgumentTypeError(f"{text!r} is not a time such as 2026-05-04T09:30")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
