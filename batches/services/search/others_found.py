"""Files, bulk operations, providers, models and error groups."""

from collections.abc import Iterable

from django.db.models import Q

from batches.models import BulkOperation, ErrorGroup, File
from batches.rules.fingerprints import CHARS
from batches.rules.search_text import SearchText, has_words
from batches.services.insight.withheld import unquoting_group
from batches.services.search.batches_found import newest
from batches.services.search.bounds import MOST_MATCHES, NEWEST, NEWEST_WITHOUT_INDEX, looked_through
from batches.services.search.found import FileFound, Hit, HitKind, ModelFound, Reason, Section, section
from batches.services.search.scope import Scope
from batches.services.search.words import COLUMNS, has_word_index, with_words
from providers.models import ProviderModel


def find_files(scope: Scope, asked: SearchText, *, limit: int) -> Section:
    """Files by their id, each with the newest batch that has it. Two queries at most."""
    if not asked.ids:
        return Section(HitKind.FILE, [])
    files: list[File] = list(scope.files.filter(pk__range=asked.ids).select_related("project").order_by("-pk")[: limit + 1])
    keys = [file.pk for file in files]
    using = Q(input_file__in=keys) | Q(output_file__in=keys) | Q(error_file__in=keys)
    batches = list(newest(scope.batches.filter(using))[:MOST_MATCHES]) if keys else []
    batch_of = {
        key: batch for batch in reversed(batches) for key in (batch.input_file_id, batch.output_file_id, batch.error_file_id)
    }
    reason = Reason.ID if asked.id else Reason.ID_START
    return section(HitKind.FILE, [Hit(FileFound(file, batch_of.get(file.pk)), reason) for file in files], limit=limit)


def find_operations(scope: Scope, asked: SearchText, *, limit: int) -> Section:
    """Bulk operations by their id."""
    if not asked.ids:
        return Section(HitKind.OPERATION, [])
    found: list[BulkOperation] = list(scope.operations.filter(pk__range=asked.ids).order_by("-pk")[: limit + 1])
    reason = Reason.ID if asked.id else Reason.ID_START
    return section(HitKind.OPERATION, [Hit(operation, reason) for operation in found], limit=limit)


def find_providers(scope: Scope, asked: SearchText, *, limit: int) -> Section:
    """Providers by their id, or by a part of their name."""
    found = [row for row in scope.providers.order_by("name") if row.pk == asked.id or asked.text.lower() in row.name.lower()]
    hits = [Hit(row, Reason.ID if row.pk == asked.id else Reason.NAME) for row in found]
    return section(HitKind.PROVIDER, hits, limit=limit)


def find_models(scope: Scope, asked: SearchText, *, limit: int) -> Section:
    """Models by a part of their name: those with settings at a provider, and those that the newest batches name."""
    known = ProviderModel.objects.filter(provider__in=scope.providers.order_by().values("pk"), name__icontains=asked.text)
    names = list(known.order_by("name").values_list("name", flat=True).distinct()[: limit + 1])
    used = newest(scope.batches).values_list("model", flat=True)[:NEWEST]
    names += sorted(name for name in set(used) if name and asked.text.lower() in name.lower())
    return section(HitKind.MODEL, [Hit(ModelFound(name), Reason.NAME) for name in names], limit=limit)


def find_error_groups(scope: Scope, asked: SearchText, *, limit: int) -> Section:
    """Error groups by their fingerprint, or by words of their code, messages and note. Two queries at most."""
    told = unquoting_group(scope.readable)
    hits: list[Hit] = []
    if len(asked.text) <= CHARS:
        same = scope.groups.filter(fingerprint=asked.text).select_related("project")[: limit + 1]
        hits += [Hit(told(group), Reason.ID) for group in same]
    groups, bound = _worded(scope, asked) if asked.words and not hits and not asked.id else ([], "")
    hits += [Hit(told(group), Reason.MESSAGE) for group in groups]
    return section(HitKind.ERROR_GROUP, hits, limit=limit, bound=bound)


def _worded(scope: Scope, asked: SearchText) -> tuple[Iterable[ErrorGroup], str]:
    """Groups with the words, the newest first, and the sentence about what was not looked through."""
    groups = scope.errors.select_related("project")
    if has_word_index():
        found = with_words(groups, ErrorGroup, projects=scope.error_projects, words=asked.words)
        rows = list(found.order_by()[: MOST_MATCHES + 1])
        cut = f"More than {MOST_MATCHES:,} error groups match. Add a word to see the newest." if len(rows) > MOST_MATCHES else ""
        return sorted(rows, key=lambda group: group.first_seen, reverse=True), cut
    rows = list(groups.order_by("-first_seen")[:NEWEST_WITHOUT_INDEX])
    found_here = [row for row in rows if has_words("\n".join(getattr(row, name) for name in COLUMNS[ErrorGroup]), asked.words)]
    return found_here, looked_through(len(rows), "error groups") if len(rows) == NEWEST_WITHOUT_INDEX else ""
