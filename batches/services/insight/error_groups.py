"""Error groups over projects and a span of time.

They are read from counts that are kept with every failure (`services.tally.error_groups`), because there may be millions of
errors.
"""

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum

from batches.models import BatchErrorGroup, ErrorGroup, ErrorGroupHour, bulk
from batches.rules.fingerprints import CHARS, VERSION
from batches.services.insight.groups_in_batch import Explained
from providers.failures import Kind

MOST_BATCHES = 100  # the batches of one group are counted up to this number


class GroupWindow(Enum):
    """The span of time over which groups are counted. It ends now, and has steps of whole hours."""

    DAY = ("24h", 24, 1)
    WEEK = ("7d", 7 * 24, 6)
    MONTH = ("30d", 30 * 24, 24)

    def __init__(self, word: str, hours: int, step: int) -> None:
        self.word, self.hours, self.step = word, hours, step

    def starts(self, *, now: datetime) -> datetime:
        """The beginning of the first hour of the span. The present hour is the last one."""
        return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=self.hours - 1)


GROUP_WINDOWS = {window.word: window for window in GroupWindow}


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """The end of a page of groups: the count and the fingerprint of its last group."""

    count: int
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.count}.{self.fingerprint}"

    @classmethod
    def read(cls, text: str) -> "GroupPosition | None":
        """The position that this text was written from; None if it is no position."""
        match = re.fullmatch(rf"([0-9]{{1,15}})\.([!-~]{{1,{CHARS}}})", text, re.ASCII)
        return cls(int(match[1]), match[2]) if match else None


@dataclass(frozen=True, slots=True)
class Because:
    """The properties that all failures of a group share. In `message` the variable parts are words in angle brackets."""

    source: str
    provider: str
    http_status: int | None
    code: str
    message: str
    version: str


@dataclass(frozen=True, slots=True)
class Group(Explained):
    """An error group over all projects that its reader sees, within a span of time.

    `batches` is the number of batches with failures of the group, counted up to MOST_BATCHES for each project. `more_batches`
    tells whether there are more. `recovered` is how many of the failures in the counted batches succeeded in a retry. `trend`
    is the count in each step of the span. The group is muted if it is muted in every project.
    """

    fingerprint: str
    count: int
    recovered: int
    trend: list[int]
    batches: int
    more_batches: bool
    projects: list[str]
    providers: list[str]
    first_seen: datetime
    last_seen: datetime | None
    kind: Kind | None
    sample: str
    because: Because
    muted: bool
    note: str
    noted_by: str

    @property
    def code(self) -> str:
        return self.because.code

    @property
    def source(self) -> str:
        return self.because.source

    @property
    def http_status(self) -> int | None:
        return self.because.http_status


@dataclass(frozen=True, slots=True)
class GroupPage:
    """A page of groups, and the position of the next page; None on the last page."""

    groups: list[Group]
    following: GroupPosition | None


def as_it_is(group: ErrorGroup) -> ErrorGroup:
    """The group unchanged, for a reader who may read bodies."""
    return group


def largest(
    groups: QuerySet[ErrorGroup],
    *,
    window: GroupWindow,
    now: datetime,
    limit: int,
    redact: Callable[[ErrorGroup], ErrorGroup] = as_it_is,
    after: GroupPosition | None = None,
) -> GroupPage:
    """The groups with failures in the span, the most frequent first. Always four queries.

    `groups` are the groups that the reader may see and asks for.
    """
    hours = ErrorGroupHour.objects.filter(group__in=groups.order_by(), hour__gte=window.starts(now=now))
    counted = hours.order_by().values("group__fingerprint").annotate(found=Sum("count")).filter(found__gt=0)
    if after is not None:
        counted = counted.filter(Q(found__lt=after.count) | Q(found=after.count, group__fingerprint__gt=after.fingerprint))
    found = list(counted.order_by("-found", "group__fingerprint").values_list("group__fingerprint", flat=True)[: limit + 1])
    page = described(groups, found[:limit], window=window, now=now, redact=redact)
    return GroupPage(page, GroupPosition(page[-1].count, page[-1].fingerprint) if page and len(found) > limit else None)


def counted(groups: QuerySet[ErrorGroup], *, window: GroupWindow, now: datetime) -> int:
    """How many failures of these groups there were in the span."""
    hours = ErrorGroupHour.objects.filter(group__in=groups.order_by(), hour__gte=window.starts(now=now))
    found: int = hours.aggregate(found=Sum("count", default=0))["found"]
    return found


def described(
    groups: QuerySet[ErrorGroup],
    fingerprints: Sequence[str],
    *,
    window: GroupWindow,
    now: datetime,
    redact: Callable[[ErrorGroup], ErrorGroup] = as_it_is,
) -> list[Group]:
    """The groups with these fingerprints as the reader of `groups` sees them, in this order. Three queries.

    `redact` turns a row into the version that its reader may see (`quotes`).
    """
    latest = BatchErrorGroup.objects.filter(group=OuterRef("pk")).order_by("-last_seen").values("last_seen")[:1]
    rows = groups.filter(fingerprint__in=fingerprints).select_related("project").annotate(last_seen=Subquery(latest))
    alike: dict[str, list[ErrorGroup]] = {fingerprint: [] for fingerprint in fingerprints}
    for row in rows.order_by("first_seen"):
        alike[row.fingerprint].append(redact(row))
    keys = [row.pk for same in alike.values() for row in same]
    trends, touched = _trends(keys, window=window, now=now), _touched(keys, since=window.starts(now=now))
    idle = [0] * (window.hours // window.step)
    return [_group(same, trends.get(fingerprint, idle), touched) for fingerprint, same in alike.items() if same]


def _group(rows: list[ErrorGroup], trend: list[int], touched: dict[uuid.UUID, tuple[int, int]]) -> Group:
    first = rows[0]
    batches = [touched.get(row.pk, (0, 0))[0] for row in rows]
    recovered = sum(touched.get(row.pk, (0, 0))[1] for row in rows)
    noted = next((row for row in rows if row.note), first)
    return Group(
        fingerprint=first.fingerprint,
        count=sum(trend),
        recovered=min(recovered, sum(trend)),  # a batch may have failures from before the span
        trend=trend,
        batches=sum(min(count, MOST_BATCHES) for count in batches),
        more_batches=any(count > MOST_BATCHES for count in batches),
        projects=sorted(row.project.slug for row in rows),
        providers=sorted({row.provider for row in rows if row.provider}),
        first_seen=first.first_seen,
        last_seen=max((seen for row in rows if (seen := _last_seen(row))), default=None),
        kind=Kind.known(first.kind),
        sample=first.sample,
        because=because(first),
        muted=all(row.muted_at for row in rows),
        note=noted.note,
        noted_by=noted.noted_by,
    )


def _last_seen(row: ErrorGroup) -> datetime | None:
    seen: datetime | None = getattr(row, "last_seen", None)
    return seen


def because(group: ErrorGroup) -> Because:
    """The properties that the members of a group share."""
    version, _, _ = group.fingerprint.partition(":")
    return Because(group.source, group.provider, group.http_status, group.code, group.message, version or VERSION)


def _trends(keys: Sequence[uuid.UUID], *, window: GroupWindow, now: datetime) -> dict[str, list[int]]:
    """The counts in each step of the span, by fingerprint."""
    start = window.starts(now=now)
    steps = window.hours // window.step
    hours = ErrorGroupHour.objects.filter(group__in=keys, hour__gte=start, hour__lte=now).order_by()
    step = (bulk.Epoch("hour") - int(start.timestamp())) / (window.step * 3600)
    rows = hours.annotate(step=step).values_list("group__fingerprint", "step").annotate(found=Sum("count"))
    trends: dict[str, list[int]] = {}
    for fingerprint, number, found in rows:
        trends.setdefault(fingerprint, [0] * steps)[number] = found
    return trends


def _touched(keys: Sequence[uuid.UUID], *, since: datetime) -> dict[uuid.UUID, tuple[int, int]]:
    """In how many batches each group occurred, and how many of its failures there were recovered.

    The counts end at MOST_BATCHES + 1 batches, so that no more rows are read.
    """
    if not keys:
        return {}
    adapted = [bulk.adapt(ErrorGroup, "id", key) for key in keys]
    seen = bulk.adapt(BatchErrorGroup, "last_seen", since)
    touched = f"""(SELECT recovered FROM {BatchErrorGroup._meta.db_table} b
                    WHERE b.group_id = g.id AND b.last_seen >= %s LIMIT {MOST_BATCHES + 1}) touched"""  # noqa: S608 - names only
    with bulk.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT g.id, (SELECT count(*) FROM {touched}), (SELECT coalesce(sum(recovered), 0) FROM {touched})
              FROM {ErrorGroup._meta.db_table} g WHERE g.id IN ({bulk.placeholders(keys)})
            """,  # noqa: S608 - names of tables and a number of our own
            [seen, seen, *adapted],
        )
        return {bulk.as_uuid(key): (batches, recovered) for key, batches, recovered in cursor.fetchall()}
