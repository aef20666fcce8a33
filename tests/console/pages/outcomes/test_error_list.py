"""The pages of error groups: over all batches, and of one."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from batches.console.pages.outcomes import error_group, error_list
from batches.models import AuditEntry, Batch, BatchError, ErrorGroup, Project, Role
from batches.models.error_group import GROUP_NOTE_CHARS
from batches.rules.fingerprints import fingerprint
from batches.rules.states import BatchStatus
from batches.services.tally.error_groups import record_errors
from providers.failures import Kind
from tests.console.conftest import MakeBatch, SignIn

ERRORS = "/console/errors/"


def fails(
    batch: Batch, message: str, lines: Iterable[int] = (1,), *, kind: Kind = Kind.SERVER_ERROR, at: datetime | None = None
) -> str:
    """Record that objects of a batch failed so; the fingerprint."""
    source, code = kind.source.value, kind.value
    found = fingerprint(source=source, provider=batch.provider.name, http_status=500, code=code, message=message)
    said: dict[str, Any] = {"code": code, "kind": code, "source": source, "http_status": 500, "fingerprint": found}
    errors = [
        BatchError(batch=batch, line=line, round=1, message=message, created_at=at or timezone.now(), **said) for line in lines
    ]
    record_errors(errors, {batch.pk: batch})
    return found


def page_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def shown(client: Client, query: str = "") -> list[str]:
    return [row.group.sample for row in client.get(ERRORS + query).context["rows"]]


def test_shares_of_a_list_add_up_to_100(console: Client, batch: Batch) -> None:
    """O24: three groups of one failure had 33 % each."""
    for message in ("First of all", "Another thing", "Some trouble"):
        fails(batch, message)
    shares = [int(found) for found in re.findall(r">(\d+) %<", page_of(console, ERRORS))]
    assert sorted(shares) == [33, 33, 34]


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, succeeded=5, pending=1)


def test_groups_are_listed_the_most_frequent_first_with_their_share(console: Client, batch: Batch) -> None:
    fails(batch, "Rare")
    fails(batch, "Usual", [2, 3, 4])
    assert shown(console) == ["Usual", "Rare"]
    page = page_of(console, ERRORS)
    assert "<b>4</b> failures in 24 hours" in page
    assert "75 %" in page
    assert "25 %" in page
    assert "Failures in 24 hours: 3 at the end, between 0 and 3" in page
    assert "Retry may help" in page


def test_a_window_counts_what_is_in_it(console: Client, batch: Batch) -> None:
    fails(batch, "Today")
    fails(batch, "Last week", [2, 3], at=timezone.now() - timedelta(days=5))
    fails(batch, "Last month", [4, 5, 6], at=timezone.now() - timedelta(days=20))
    assert shown(console) == ["Today"]
    assert shown(console, "?window=7d") == ["Last week", "Today"]
    assert shown(console, "?window=30d") == ["Last month", "Last week", "Today"]


def test_filters_are_in_the_address_and_can_be_taken_away(
    console: Client, batch: Batch, make_batch: MakeBatch, other_project: Project
) -> None:
    fails(batch, "Ours", kind=Kind.TIMEOUT)
    fails(make_batch(BatchStatus.IN_PROGRESS, pending=1, of=other_project), "Theirs")
    assert shown(console, "?project=acme") == ["Ours"]
    assert shown(console, "?code=server_error&source=provider") == ["Theirs"]
    assert shown(console, "?text=OUR&provider=simulator") == ["Ours"]
    page = page_of(console, f"{ERRORS}?project=acme&window=7d")
    assert "Remove Project: acme" in page
    assert 'href="?window=7d"' in page
    assert "No error group matches" in page_of(console, f"{ERRORS}?text=nothing")


@pytest.mark.parametrize("query", ["?colour=red", "?window=1y", "?after=x", "?source=moon", "?text=%00", "?code=a&code=b"])
def test_what_is_not_understood_shows_nothing_and_says_so(console: Client, batch: Batch, query: str) -> None:
    fails(batch, "Down")
    answer = console.get(ERRORS + query)
    assert (answer.status_code, answer.context["rows"]) == (200, [])
    assert "nothing is shown" in answer.content.decode()


def test_pages_of_groups_lead_on_and_to_the_first(console: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_list, "PAGE_SIZE", 2)
    for number, word in enumerate("abcde", start=1):
        fails(batch, word, range(1, number + 1))
    assert shown(console) == ["e", "d"]
    forward = console.get(ERRORS).context["forward"]
    assert shown(console, f"?after={forward}") == ["c", "b"]
    assert "First page" in page_of(console, f"{ERRORS}?after={forward}")


def test_an_empty_list_says_whether_it_is_good_news(console: Client, batch: Batch) -> None:
    assert "Nothing failed" in page_of(console, ERRORS)
    assert "No muted group" in page_of(console, f"{ERRORS}?muted=yes")


def test_a_group_tells_why_it_is_one_and_what_was_said(console: Client, batch: Batch) -> None:
    group = fails(batch, 'Shard 7 of "a" is down')
    fails(batch, 'Shard 8 of "b" is down', [2])
    page = page_of(console, f"{ERRORS}{group}/")
    assert "Shard &lt;n&gt; of &lt;text&gt; is down" in page
    assert "Shard 7 of &quot;a&quot; is down" in page
    assert "Shard 8 of &quot;b&quot; is down" in page
    assert "Failures an hour: 2 failures in all" in page
    assert f"/console/batches/{batch}/lines/2/" in page
    assert f"/console/batches/?view=all&amp;error={group.replace(':', '%3A')}" in page
    assert f"/console/batches/{batch}/retry/?error={group.replace(':', '%3A')}" not in page, "nothing of it has failed"


def test_a_group_leads_to_the_retry_of_each_of_its_batches(console: Client, make_batch: MakeBatch) -> None:
    batches = [make_batch(failed=2), make_batch(BatchStatus.IN_PROGRESS, failed=1, pending=1)]
    page = page_of(console, f"{ERRORS}v1:same/")
    for batch in batches:
        assert f"/console/batches/{batch}/retry/?error=v1%3Asame" in page


def test_pages_of_objects_follow_each_other_over_batches(
    console: Client, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_group, "PAGE_SIZE", 2)
    for _ in range(2):
        make_batch(failed=2)
    seen: list[tuple[object, int | None]] = []
    query = ""
    while True:
        context = console.get(f"{ERRORS}v1:same/{query}").context
        seen += [(member.batch.pk, member.object.line) for member in context["members"]]
        if not context["forward"]:
            break
        query = f"?after={context['forward']}"
    assert len(seen) == len(set(seen)) == 4


def test_lines_of_a_refused_input_are_a_group_too(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch(BatchStatus.FAILED)
    group = fails(batch, "Not JSON.")
    BatchError.objects.filter(batch=batch).update(round=None)
    page = page_of(console, f"{ERRORS}{group}/")
    assert "A line of the input" in page


@pytest.mark.parametrize("query", ["?window=1y", "?after=x", "?after=9.9.9"])
def test_a_group_of_which_the_address_asks_what_there_is_not_says_so(console: Client, batch: Batch, query: str) -> None:
    group = fails(batch, "Down")
    answer = console.get(f"{ERRORS}{group}/{query}")
    assert answer.status_code == 200
    assert "nothing is shown" in answer.content.decode()


@pytest.mark.parametrize("name", ["v1:none", "%00", "a%2Fb", "x" * 5000, "v1:..", "\u202e"])
def test_a_group_that_there_is_not_is_not_found(console: Client, batch: Batch, name: str) -> None:
    assert console.get(f"{ERRORS}{name}/").status_code == 404
    assert console.post(f"{ERRORS}{name}/mark/", {"act": "mute"}).status_code == 404


@pytest.mark.parametrize(
    ("hostile", "visible"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("</pre><img src=x>", "&lt;/pre&gt;&lt;img src=x&gt;"),
        ("\u202etxt.exe", "⟨U+202E⟩txt.exe"),
        ("🙃 مرحبا", "🙃 مرحبا"),
        ("=1+1", "=1+1"),
    ],
)
def test_hostile_text_is_shown_and_not_obeyed(console: Client, batch: Batch, hostile: str, visible: str) -> None:
    group = fails(batch, hostile)
    ErrorGroup.objects.update(code=hostile[:100], note=hostile)
    for address in (ERRORS, f"{ERRORS}{group}/"):
        page = page_of(console, address)
        assert page.count(visible) >= 2
        if "<" in hostile:
            assert hostile not in page


def test_a_group_is_muted_with_a_reason_set_aside_and_taken_back(console: Client, batch: Batch) -> None:
    group = fails(batch, "Known")
    answer = console.post(f"{ERRORS}{group}/mark/", {"act": "mute", "reason": "Ticket 7"}, follow=True)
    assert "Group muted" in answer.content.decode()
    assert "Ticket 7" in answer.content.decode()
    assert shown(console) == []
    assert shown(console, "?muted=yes") == ["Known"]
    entry = AuditEntry.objects.get(act="mute_error_group")
    assert (entry.actor, entry.source, entry.reason, entry.project) == ("user operator", "console", "Ticket 7", batch.project)
    console.post(f"{ERRORS}{group}/mark/", {"act": "unmute"})
    assert shown(console) == ["Known"]


def test_a_note_is_kept_as_it_was_said_without_what_no_database_takes(console: Client, batch: Batch) -> None:
    group = fails(batch, "Known")
    console.post(f"{ERRORS}{group}/mark/", {"act": "note", "note": " See\0 ticket 7 " + "x" * 3000})
    note = ErrorGroup.objects.get().note
    assert note.startswith("See\ufffd ticket 7 x")
    assert len(note) == GROUP_NOTE_CHARS
    assert "See\ufffd ticket 7" in page_of(console, ERRORS)
    console.post(f"{ERRORS}{group}/mark/", {"act": "note", "note": ""})
    assert ErrorGroup.objects.get().note == ""


def test_an_act_that_there_is_not_changes_nothing(console: Client, batch: Batch) -> None:
    group = fails(batch, "Known")
    answer = console.post(f"{ERRORS}{group}/mark/", {"act": "delete"}, follow=True)
    assert "The form names no act of this page." in answer.content.decode()
    assert not AuditEntry.objects.exists()


def test_a_viewer_sees_a_group_and_may_not_mute_it(member: SignIn, batch: Batch) -> None:
    group, viewer = fails(batch, "Known"), member(Role.VIEWER)
    page = page_of(viewer, f"{ERRORS}{group}/")
    assert "/mark/" not in page
    assert "/retry/" not in page
    assert viewer.post(f"{ERRORS}{group}/mark/", {"act": "mute"}).status_code == 403
    assert not ErrorGroup.objects.exclude(muted_at=None).exists()
    refused = AuditEntry.objects.get()
    assert (refused.act, refused.outcome, refused.project) == ("mark_error_group", "refused", batch.project)


def test_who_may_act_in_one_project_mutes_a_group_there_alone(
    member: SignIn, make_batch: MakeBatch, other_project: Project, project: Project
) -> None:
    make_batch(failed=1)
    make_batch(failed=2, of=other_project)
    operator = member(Role.OPERATOR)
    operator.post(f"{ERRORS}v1:same/mark/", {"act": "mute"})
    assert list(ErrorGroup.objects.filter(muted_at__isnull=False).values_list("project", flat=True)) == [project.pk]
    assert shown(operator) == []
    assert shown(member(Role.VIEWER, of=other_project)) == ["The upstream failed."]


def test_what_failed_in_foreign_projects_is_in_no_count(
    member: SignIn, make_batch: MakeBatch, batch: Batch, other_project: Project
) -> None:
    theirs = make_batch(failed=3, of=other_project)
    viewer = member(Role.VIEWER)
    assert shown(viewer) == []
    assert viewer.get(f"{ERRORS}v1:same/").status_code == 404
    make_batch(failed=1)
    answer = viewer.get(f"{ERRORS}v1:same/")
    assert answer.context["group"].count == 1
    assert str(theirs) not in answer.content.decode()
    assert "globex" not in answer.content.decode()
    assert str(theirs) not in viewer.get(f"{ERRORS}v1:same/?after=0.{theirs.pk.hex}.0").content.decode()


def test_the_number_of_queries_does_not_grow_with_the_groups_and_batches(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    addresses = (ERRORS, f"{ERRORS}v1:same/")
    few = []
    for status in (BatchStatus.COMPLETED, BatchStatus.IN_PROGRESS):
        make_batch(status, failed=1)
    for address in addresses:
        console.get(address)
        few.append(count_queries(lambda address=address: console.get(address)))  # type: ignore[misc]
    for number in range(5):
        fails(make_batch(BatchStatus.IN_PROGRESS, failed=3, pending=1), "word " + "abcdef"[number])
    assert [count_queries(lambda address=address: console.get(address)) for address in addresses] == few  # type: ignore[misc]
    assert max(few) < 25
