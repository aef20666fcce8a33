"""Error groups: counted as errors are recorded, read in a few queries, over whatever projects the reader sees."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from batches.models import Batch, BatchError, ErrorGroup, Project
from batches.rules.fingerprints import fingerprint
from batches.services.insight import error_groups
from batches.services.insight.error_groups import Group, GroupPosition, GroupWindow, because, described, largest
from batches.services.insight.group_members import MemberPosition, members, messages
from batches.services.insight.groups_in_batch import error_groups as groups_of
from batches.services.tally.error_groups import record_errors, recount_groups
from providers.failures import Kind
from tests.cast import request_lines, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulator")]

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def failures(batch: Batch, message: str, lines: Iterable[int], *, at: datetime = NOW, kind: Kind = Kind.SERVER_ERROR) -> str:
    """Record that objects of a batch failed so; the fingerprint."""
    source, code = kind.source.value, kind.value
    found = fingerprint(source=source, provider="simulator", http_status=500, code=code, message=message)
    errors = [
        BatchError(
            batch=batch,
            line=line,
            round=1,
            code=code,
            message=message.replace("#", str(line)),
            kind=code,
            source=source,
            http_status=500,
            fingerprint=found,
            created_at=at,
        )
        for line in lines
    ]
    record_errors(errors, {batch.pk: batch})
    return found


@pytest.fixture
def batch(project: Project) -> Batch:
    return submitted(project, request_lines(9), now=NOW - timedelta(days=1))


@pytest.fixture
def other(other_project: Project) -> Batch:
    """A batch of another project."""
    return submitted(other_project, request_lines(9), now=NOW - timedelta(days=1))


def listed(**more: object) -> list[Group]:
    options: dict[str, object] = {"window": GroupWindow.DAY, "now": NOW, "limit": 10} | more
    return largest(ErrorGroup.objects.all(), **options).groups  # type: ignore[arg-type]  # just those that it takes


def test_the_groups_of_a_batch_are_told_in_one_query_the_largest_first(
    batch: Batch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rare = failures(batch, "No such model", [7], kind=Kind.INVALID_REQUEST)
    usual = failures(batch, "Shard # is down", [3, 4, 9])
    with django_assert_num_queries(1):
        first, second = groups_of(batch)
    assert (first.fingerprint, first.count, first.first_line, first.last_line) == (usual, 3, 3, 9)
    assert (first.sample, first.http_status, first.kind) == ("Shard 3 is down", 500, Kind.SERVER_ERROR)
    assert (first.hint, second.hint) == ("Retry may help", "Retry will not help")
    assert (second.fingerprint, second.count) == (rare, 1)
    assert groups_of(batch, most=1) == [first]


def test_a_group_all_of_whose_objects_were_sent_for_again_is_in_its_batch_no_more(batch: Batch) -> None:
    found = failures(batch, "Down", [1, 2])
    BatchError.objects.update(retried_at=NOW)
    recount_groups(batch, [found])
    assert groups_of(batch) == []


def test_a_reason_that_concerns_no_line_is_no_group_of_objects(batch: Batch) -> None:
    error = BatchError(batch=batch, code="x", message="m", source="portal", fingerprint="v1:x", created_at=NOW)
    record_errors([error], {batch.pk: batch})
    assert groups_of(batch) == []


def test_groups_are_put_together_over_the_projects_that_the_reader_sees(batch: Batch, other: Batch) -> None:
    failures(batch, "Down", [1, 2], at=NOW - timedelta(hours=2))
    failures(other, "Down", [1], at=NOW)
    (everywhere,) = listed()
    assert (everywhere.count, everywhere.batches, everywhere.more_batches) == (3, 2, False)
    assert everywhere.projects == ["acme", "globex"]
    assert (everywhere.first_seen, everywhere.last_seen) == (NOW - timedelta(hours=2), NOW)
    (own,) = largest(ErrorGroup.objects.filter(project=batch.project), window=GroupWindow.DAY, now=NOW, limit=10).groups
    assert (own.count, own.batches, own.projects) == (2, 1, ["acme"])
    assert own.last_seen == NOW - timedelta(hours=2)


@pytest.mark.parametrize(
    ("window", "hours_ago", "count", "steps"),
    [
        (GroupWindow.DAY, 23, 1, {0: 1}),
        (GroupWindow.DAY, 24, 0, {}),
        (GroupWindow.DAY, 0, 1, {23: 1}),
        (GroupWindow.WEEK, 24, 1, {23: 1}),
        (GroupWindow.WEEK, 167, 1, {0: 1}),
        (GroupWindow.MONTH, 719, 1, {0: 1}),
        (GroupWindow.MONTH, 720, 0, {}),
        (GroupWindow.MONTH, 0, 1, {29: 1}),
    ],
)
def test_a_window_counts_what_happened_in_it_step_by_step(
    batch: Batch, window: GroupWindow, hours_ago: int, count: int, steps: dict[int, int]
) -> None:
    failures(batch, "Down", [1], at=NOW - timedelta(hours=hours_ago))
    found = listed(window=window)
    assert sum(group.count for group in found) == count
    assert [{step: n for step, n in enumerate(group.trend) if n} for group in found] == ([steps] if steps else [])


def test_pages_of_groups_follow_each_other_also_among_equal_counts(batch: Batch) -> None:
    prints = [failures(batch, f"Way {letter}", [1] if letter != "d" else [1, 2]) for letter in "abcde"]
    walked: list[str] = []
    after = None
    while page := listed(limit=2, after=after):
        walked += [group.fingerprint for group in page]
        after = GroupPosition(page[-1].count, page[-1].fingerprint)
    assert walked == [prints[3], *sorted(prints[:3] + prints[4:])]


def test_a_page_of_groups_takes_four_queries_however_many_there_are(
    batch: Batch, other: Batch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for letter in "abcdefgh":
        failures(batch, f"Way {letter}", [1, 2])
        failures(other, f"Way {letter}", [1])
    with django_assert_num_queries(4):
        assert len(listed()) == 8


def test_batches_are_counted_up_to_a_limit(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        failures(submitted(project, request_lines(1)), "Down", [1])
    assert (listed()[0].batches, listed()[0].more_batches) == (3, False)
    monkeypatch.setattr(error_groups, "MOST_BATCHES", 2)
    assert (listed()[0].batches, listed()[0].more_batches) == (2, True)


def test_a_group_is_muted_only_when_it_is_in_every_project(batch: Batch, other: Batch) -> None:
    found = failures(batch, "Down", [1])
    failures(other, "Down", [1])
    ErrorGroup.objects.filter(project=batch.project).update(muted_at=NOW, note="Known.", noted_by="ann")
    assert (listed()[0].muted, listed()[0].note, listed()[0].noted_by) == (False, "Known.", "ann")
    ErrorGroup.objects.update(muted_at=NOW)
    assert listed()[0].muted
    assert described(ErrorGroup.objects.all(), [found, "v1:none"], window=GroupWindow.DAY, now=NOW) == listed()


def test_a_group_says_what_its_members_are_alike_in(batch: Batch) -> None:
    failures(batch, "Shard # of req_abc is down", [1])
    found = because(ErrorGroup.objects.get())
    assert (found.source, found.provider, found.http_status, found.code) == ("provider", "simulator", 500, "server_error")
    assert (found.message, found.version) == ("Shard <n> of <id> is down", "v1")


def test_messages_are_told_as_they_came_up_to_five_different_ones(batch: Batch, other: Batch) -> None:
    found = failures(batch, "Shard # is down", [1, 2, 3, 4, 5, 6, 7])
    failures(other, "Shard # is down", [9])
    told = messages(ErrorGroup.objects.filter(project=batch.project), found)
    assert len(set(told)) == 5
    assert set(told) <= {f"Shard {line} is down" for line in range(1, 8)}
    assert messages(ErrorGroup.objects.filter(project=other.project), found) == ["Shard 9 is down"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 50])
def test_members_are_walked_by_batch_and_line_each_once(project: Project, other: Batch, limit: int) -> None:
    older, newer = (submitted(project, request_lines(9)) for _ in range(2))
    found = failures(older, "Down", [2, 3, 8], at=NOW - timedelta(hours=1))
    failures(newer, "Down", [1, 5, 7, 9])
    failures(other, "Down", [1])
    failures(newer, "Up", [2])
    BatchError.objects.filter(batch=newer, line=5).update(retried_at=NOW)
    recount_groups(newer, [found])
    own = ErrorGroup.objects.filter(project=project)
    walked: list[tuple[Batch, int | None]] = []
    after: MemberPosition | None = None
    while True:
        page = members(own, found, limit=limit, after=after)
        walked += [(error.batch, error.line) for error in page.errors]
        if (after := page.following) is None:
            break
        assert len(page.errors) == limit
    assert walked == [(newer, 1), (newer, 7), (newer, 9), (older, 2), (older, 3), (older, 8)]


def test_a_position_in_a_foreign_batch_leads_to_none_of_its_members(project: Project, batch: Batch, other: Batch) -> None:
    found = failures(batch, "Down", [4])
    failures(other, "Down", [1, 2, 3])
    own = ErrorGroup.objects.filter(project=project)
    page = members(own, found, limit=50, after=MemberPosition(NOW + timedelta(days=1), other.pk, 0))
    assert [(error.batch, error.line) for error in page.errors] == [(batch, 4)]


def test_a_page_of_members_takes_five_queries_at_most(
    project: Project, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(6):
        found = failures(submitted(project, request_lines(9)), "Down", [1, 2])
    page = members(ErrorGroup.objects.all(), found, limit=3)
    with django_assert_max_num_queries(5):
        assert len(members(ErrorGroup.objects.all(), found, limit=8, after=page.following).errors) == 8
