"""The one set of filters over batches, question by question."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from batches.filters import BatchFilter
from batches.models import ApiKey, Batch, BatchErrorGroup, Dialect, ErrorGroup, Project
from batches.rules.states import BatchStatus
from providers.models import Provider
from tests.console.conftest import MakeBatch

Cast = dict[str, Batch]


@pytest.fixture
def make_batch(project: Project, simulator: Provider) -> MakeBatch:
    return MakeBatch(project, simulator)


def found(query: str, *, now: datetime | None = None, within: Project | None = None) -> set[str]:
    """The remarks of the batches that match."""
    projects = None if within is None else Project.objects.filter(pk=within.pk)
    chosen = BatchFilter(QueryDict(query), queryset=Batch.objects.all(), now=now or timezone.now(), within=projects)
    assert chosen.problems == []
    return set(chosen.matching.values_list("remark", flat=True))


def refused(query: str, *, within: Project | None = None) -> list[str]:
    """What is wrong with a query that finds nothing for it."""
    projects = None if within is None else Project.objects.filter(pk=within.pk)
    chosen = BatchFilter(QueryDict(query), queryset=Batch.objects.all(), now=timezone.now(), within=projects)
    assert not chosen.matching.exists()
    return chosen.problems


@pytest.fixture
def cast(make_batch: MakeBatch, project: Project, other_project: Project) -> Cast:
    """Four batches that differ in everything one can ask for."""
    now = timezone.now()
    other = Provider.objects.create(name="other", adapter="simulator", granted_to_all=True)
    keys = [ApiKey.issue(project=project, name=name)[0] for name in ("one", "two")]
    made = {
        "a": make_batch(remark="a", succeeded=2, metadata={"team": "search", "n": "1"}),
        "b": make_batch(remark="b", succeeded=1, failed=1, created_at=now - timedelta(hours=2), metadata={"team": "ads"}),
        "c": make_batch(BatchStatus.IN_PROGRESS, remark="c", pending=1, of=other_project, created_at=now - timedelta(days=2)),
        "d": make_batch(BatchStatus.FAILED, remark="d", created_at=now - timedelta(days=20)),
    }
    changes: dict[str, dict[str, object]] = {
        "a": {"model": "m-1", "created_by_key": keys[0]},
        "b": {"model": "m,2", "provider": other, "created_by_key": keys[1]},
        "c": {"model": "m-1", "dialect": Dialect.MERGE, "endpoint": "/v1/embeddings"},
        "d": {"dialect": Dialect.ANTHROPIC},
    }
    for name, values in changes.items():
        Batch.objects.filter(pk=made[name].pk).update(**values)
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "abcd"),
        ("status=completed", "ab"),
        ("status=completed&status=failed", "abd"),
        ("status!=completed", "cd"),
        ("status!=completed&status!=failed", "c"),
        ("not_status=completed", "cd"),  # C14: the same, for programs
        ("not_status=completed&not_status=failed", "c"),
        ("not_status=completed&status!=failed", "c"),
        ("not_project=globex", "abd"),
        ("not_metadata.team=search", "bcd"),
        ("status=completed&status!=completed", ""),
        ("project=globex", "c"),
        ("project=acme&project=globex", "abcd"),
        ("project!=globex", "abd"),
        ("provider=other", "b"),
        ("provider!=other", "acd"),
        ("dialect=merge&dialect=anthropic", "cd"),
        ("dialect!=openai", "cd"),
        ("model=m-1", "ac"),
        ("model=m-1&model=m,2", "abc"),
        ("model!=m-1", "bd"),
        ("endpoint=/v1/embeddings", "c"),
        ("endpoint!=/v1/embeddings", "abd"),
        ("metadata.team=search", "a"),
        ("metadata.team!=search", "bcd"),
        ("metadata.team=search&metadata.n=1", "a"),
        ("metadata.n=1.0", ""),
        ("has_errors=yes", "bd"),
        ("has_errors=no", "ac"),
        ("created=1h", "a"),
        ("created=150m", "ab"),
        ("created=3d", "abc"),
        ("created=3w", "abcd"),
        ("condition=partial", "b"),
        ("condition=overdue", "c"),
        ("condition=late", "c"),
        ("condition=partial&condition=overdue", "bc"),
        ("view=all", "abcd"),
        ("view=active", "c"),
        ("view=attention", "bcd"),
        ("view=hour", "a"),
        ("status=&model=&project=", "abcd"),
        ("custom_id=a-1", "abc"),
        ("custom_id=a-2", "ab"),
        ("custom_id=a", ""),
        ("custom_id=A-1", ""),
    ],
)
def test_every_question_finds_what_it_asks_for(cast: Cast, query: str, expected: str) -> None:
    assert found(query) == set(expected)


def test_a_key_is_asked_for_by_its_first_characters(cast: Cast) -> None:
    prefix = ApiKey.objects.get(name="one").prefix
    assert found(f"key={prefix}") == {"a"}
    assert found(f"key!={prefix}") == {"b", "c", "d"}


def test_a_span_has_its_beginning_and_not_its_end(cast: Cast) -> None:
    begin, end = (cast[name].created_at.isoformat().replace("+00:00", "Z") for name in "ba")
    assert found(f"created_from={begin}") == {"a", "b"}
    assert found(f"created_from={begin}&created_to={end}") == {"b"}


def test_batches_are_found_by_an_error_group_of_theirs(cast: Cast, project: Project) -> None:
    now = timezone.now()
    group = ErrorGroup.objects.create(
        project=project, fingerprint="v1:abc", source="provider", code="x", message="x", sample="x", first_seen=now
    )
    BatchErrorGroup.objects.create(batch=cast["b"], group=group, count=3, first_seen=now, last_seen=now)
    assert found("error=v1:abc") == {"b"}
    assert found("error=v1:ab") == set()


def test_what_is_held_back_is_found_by_why(make_batch: MakeBatch) -> None:
    now = timezone.now()
    for remark, changes in {
        "paused": {"paused_at": now},
        "throttled": {"throttled_until": now + timedelta(minutes=1)},
        "blocked": {"blocked_until": now + timedelta(minutes=1)},
        "too slow": {"at_risk_since": now},
        "over it": {"throttled_until": now - timedelta(minutes=1)},
    }.items():
        batch = make_batch(BatchStatus.IN_PROGRESS, remark=remark, pending=1)
        Batch.objects.filter(pk=batch.pk).update(**changes)
    assert found("condition=paused") == {"paused"}
    assert found("condition=late") == {"too slow"}
    assert found("condition=throttled") == {"throttled"}
    assert found("condition=blocked") == {"blocked"}
    assert found("view=attention") == {"paused", "throttled", "blocked", "too slow"}


def test_stuck_is_the_older_word_for_no_progress(make_batch: MakeBatch) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    Batch.objects.filter(pk=make_batch(BatchStatus.VALIDATING, remark="never validated").pk).update(updated_at=long_ago)
    make_batch(BatchStatus.COMPLETED, remark="over", created_at=long_ago)
    assert found("condition=stuck") == found("condition=no_progress") == {"never validated"}


def test_o25_last_night_is_a_view_and_a_period(make_batch: MakeBatch) -> None:
    """O25: there was no preset for last night."""
    for remark, moment in (("before", "17:59"), ("evening", "18:00"), ("after", "23:00")):
        make_batch(remark=remark, created_at=datetime.fromisoformat(f"2026-11-21T{moment}:00+00:00"))
    make_batch(remark="morning", created_at=datetime.fromisoformat("2026-11-22T08:00:00+00:00"))
    now = datetime.fromisoformat("2026-11-22T09:00:00+00:00")
    assert found("view=night", now=now) == found("created=last_night", now=now) == {"evening", "after"}
    assert found("created=today", now=now) == {"morning"}


def test_today_begins_at_midnight_where_the_reader_is(make_batch: MakeBatch) -> None:
    make_batch(remark="evening", created_at=datetime.fromisoformat("2026-11-21T20:00:00+00:00"))
    now = datetime.fromisoformat("2026-11-22T06:00:00+00:00")
    assert found("view=today", now=now) == set()
    with timezone.override("Asia/Tokyo"):
        assert found("view=today", now=now) == {"evening"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("colour=red", "There is no filter “colour”."),
        ("text!=x", "There is no filter “text!”."),
        ("status=lost", "The filter “status” does not take “lost”: it takes validating, in_progress,"),
        ("status!=lost", "The filter “status!” does not take “lost”: it takes validating,"),
        ("status=failed&status=lost", "The filter “status” does not take “failed”, “lost”"),
        ("condition=odd", "The filter “condition” does not take “odd”: it takes paused, account_problem, provider_down,"),
        ("project=nobody", "The filter “project” does not take “nobody”: there is none."),
        ("provider!=nobody", "The filter “provider!” does not take “nobody”: there is none."),
        ("model=" + "x" * 201, "The filter “model” does not take"),
        ("created=0h", "The filter “created” does not take “0h”: It is not a period"),
        ("created=5y", "The filter “created” does not take “5y”: It is not a period"),
        ("created=99999d", "The filter “created” does not take"),
        ("metadata.team=a&metadata.team=b", "The filter “metadata.team” is given more than once."),
        ("metadata.team=%00", "The filter “metadata.team” does not take"),
        ("custom_id=%00", "The filter “custom_id” does not take"),
    ],
)
def test_what_is_not_understood_is_said_and_finds_nothing(cast: Cast, query: str, message: str) -> None:
    problems = refused(query)
    assert len(problems) == 1
    assert problems[0].startswith(message)


def test_nobody_asks_for_names_of_other_projects(cast: Cast, project: Project) -> None:
    Provider.objects.create(name="theirs", adapter="simulator", granted_to_all=False)
    assert found("project=acme", within=project) >= {"a", "b"}
    for query in ("project=globex", "project!=globex", "provider=theirs", "provider!=theirs"):
        assert "there is none." in refused(query, within=project)[0]


@pytest.mark.parametrize("text", ["batch_" + "0" * 33, "0" * 33, "-" * 12, "msgbatch_" + "f" * 36])
def test_what_is_no_id_but_looks_like_one_finds_nothing(cast: Cast, text: str) -> None:
    assert found(f"text={text}") == set()


@pytest.mark.parametrize("word", ["eval-2026", "ticket-4711", "run_0042", "2026-05-04-0930"])
def test_a_word_with_digits_is_looked_for_in_remarks(make_batch: MakeBatch, word: str) -> None:
    make_batch(remark=f"{word} nightly")
    assert found(f"text={word}") == {f"{word} nightly"}


def test_a_pair_without_a_value_asks_for_nothing(cast: Cast) -> None:
    assert found("metadata.team=&metadata.n!=") == set(cast)


def test_a_time_before_all_times_leaves_nothing_out(cast: Cast) -> None:
    assert found("created=9999w", now=datetime(2, 1, 1, tzinfo=UTC)) == set(cast)
