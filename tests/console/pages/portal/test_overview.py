"""The overview: what needs attention, how much goes through, who is at work - and only of what its reader may see."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from batches.console.pages.portal.attention import CONCERNS, NAMED
from batches.models import Batch, BatchMinute, EmergencyStop, Membership, Project, ProviderHealth, Role, Slice, Worker
from batches.rules.states import BatchStatus
from batches.services.insight.throughput import Period
from providers.models import Provider
from tests.console.conftest import MakeBatch, SignIn

NOON = datetime.fromisoformat("2026-11-28T12:00:30+00:00")


def page(client: Client, query: str = "") -> str:
    answer = client.get(f"/console/overview/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def settle(batch: Batch, *, at: datetime | None = None, **counts: int) -> None:
    minute = (at or timezone.now()).replace(second=0, microsecond=0)
    BatchMinute.objects.create(batch=batch, minute=minute, **counts)


def in_trouble(make_batch: MakeBatch) -> None:
    """A batch for each concern."""
    now = timezone.now()
    long_ago = now - timedelta(hours=1)
    trouble: dict[str, dict[str, object]] = {
        "Stands still": {"updated_at": long_ago},
        "Too slow": {"at_risk_since": now},
        "Turned away": {"throttled_until": now + timedelta(minutes=1), "throttled_reason": "Slow <down>."},
        "No key here": {"blocked_until": now + timedelta(minutes=1), "blocked_reason": "Variable KEY is not set."},
        "Held by hand": {"paused_at": long_ago, "paused_by": "user ops"},
    }
    for remark, changes in trouble.items():
        batch = make_batch(BatchStatus.IN_PROGRESS, remark=remark, succeeded=1, pending=1)
        Batch.objects.filter(pk=batch.pk).update(**changes)
        Slice.objects.filter(batch=batch).update(last_settled_at=long_ago)
    make_batch(BatchStatus.IN_PROGRESS, remark="Goes wrong", failed=2, pending=1)
    unread = make_batch(BatchStatus.VALIDATING, remark="Not to be read")
    Batch.objects.filter(pk=unread.pk).update(put_off_reason="A volume is missing.")
    halted = make_batch(BatchStatus.IN_PROGRESS, remark="Held in an emergency", pending=1)
    provider, _ = Provider.objects.get_or_create(name="halted", defaults={"adapter": "simulator", "granted_to_all": True})
    Batch.objects.filter(pk=halted.pk).update(provider=provider)
    about = {"reason": "It is on fire.", "began_at": now, "began_by": "user ops"}
    EmergencyStop.objects.get_or_create(what="sending", provider=provider, defaults=about)
    make_batch(BatchStatus.FAILED, remark="Bad input")
    make_batch(remark="Half of it", succeeded=1, failed=1)


def test_the_console_begins_with_the_overview(console: Client) -> None:
    assert console.get("/console/").headers["Location"] == "/console/overview/"
    assert console.get("/").headers["Location"] == "/console/overview/"


def test_every_concern_names_its_worst_and_leads_to_the_list_of_all(console: Client, make_batch: MakeBatch) -> None:
    in_trouble(make_batch)
    answer = console.get("/console/overview/")
    matters = answer.context["matters"]
    assert [matter.label for matter in matters] == [concern.label for concern in CONCERNS]
    found = {matter.label: [one.batch.remark for one in matter.worst] for matter in matters}
    assert found["Sending stopped"] == ["Held in an emergency"]
    assert found["No progress"] == ["Stands still"]
    assert found["Blocked"] == ["No key here"]
    assert found["Late"] == ["Too slow"]
    assert found["Failing"] == ["Goes wrong"]
    assert found["Throttled or rate-limited"] == ["Turned away"]
    assert found["Paused"] == ["Held by hand"]
    text = answer.content.decode()
    assert "Slow &lt;down&gt;." in text
    assert "Variable KEY is not set." in text
    assert "2 of 2 failed" in text
    for matter in matters:
        rows = console.get(matter.address).context["rows"]
        assert [row.batch.remark for row in rows] == found[matter.label], "the list has just what the overview counted"


def test_where_nothing_is_the_matter_that_is_said(console: Client, make_batch: MakeBatch) -> None:
    make_batch(succeeded=1)
    text = page(console)
    assert "Every provider and batch makes progress: nothing is blocked, late, failing or held back." in text
    assert "failed" not in text.partition('id="charts"')[0].lower().partition("needs attention")[2].partition("</section>")[0]


def test_of_many_the_worst_are_named_and_all_are_counted(console: Client, make_batch: MakeBatch) -> None:
    now = timezone.now()
    for hours in range(5):
        batch = make_batch(BatchStatus.IN_PROGRESS, remark=f"{hours} h", pending=1)
        Batch.objects.filter(pk=batch.pk).update(expires_at=now - timedelta(hours=hours))
    (late,) = console.get("/console/overview/").context["matters"]
    assert (late.label, late.count) == ("Late", "5")
    assert [one.batch.remark for one in late.worst] == ["4 h", "3 h", "2 h"]
    assert len(late.worst) == NAMED


@pytest.mark.parametrize(("span", "steps"), [("1h", 60), ("24h", 24), ("7d", 168), ("", 60), ("none%00", 60)])
def test_what_settled_is_drawn_over_a_span(console: Client, make_batch: MakeBatch, span: str, steps: int) -> None:
    batch = make_batch(succeeded=1)
    settle(batch, succeeded=90, failed=10, retried=3, latency_ms=50_000)
    settle(batch, at=timezone.now() - timedelta(days=30), succeeded=1000)
    answer = console.get(f"/console/overview/?span={span}")
    settled, wrong = answer.context["charts"]
    assert [len(chart.places) for chart in (settled, wrong)] == [steps, steps]
    assert settled.words.startswith(f"Requests {'a minute' if steps == 60 else 'an hour'}: 90 succeeded, 10 failed in all")
    assert "10 failed for good, 3 tried again" in wrong.words
    text = answer.content.decode()
    assert "10.0 % of finished requests" in text
    assert "500 ms" in text, "the provider's latency"
    assert "87.3 %" in text, "90 of 103 attempts"


def test_a_span_ends_with_the_step_that_runs() -> None:
    hours, minutes = Period.DAY.starts(now=NOON), Period.HOUR.starts(now=NOON)
    assert (f"{hours[0]:%d %H:%M}", f"{hours[-1]:%d %H:%M}") == ("27 13:00", "28 12:00")
    assert (f"{minutes[0]:%H:%M}", f"{minutes[-1]:%H:%M}") == ("11:01", "12:00")


def test_what_waits_and_who_is_alive_is_told(console: Client, make_batch: MakeBatch) -> None:
    now = timezone.now()
    make_batch(BatchStatus.IN_PROGRESS, pending=1200)
    Slice.objects.update(lease_expires_at=now + timedelta(seconds=30), lease_owner=make_batch().pk)
    Worker.objects.create(role="control", name="a:1", started_at=now, seen_at=now)
    Worker.objects.create(role="execute", name="a:2", started_at=now, seen_at=now, in_flight=17)
    Worker.objects.filter(name="a:2").update(trouble="Variable <KEY> is not set.")
    Worker.objects.create(role="execute", name="dead:3", started_at=now, seen_at=now - timedelta(minutes=1), in_flight=99)
    text = page(console)
    assert "<b>1,200</b>" in text
    assert "1 slice, 1 in work" in text
    assert "1 control, 1 executor<" in text
    assert "<b>17</b>" in text
    assert "a:2: Variable &lt;KEY&gt; is not set." in text, "whoever sees the whole portal is told what a worker lacks"


def test_a_fresh_portal_shows_how_to_begin(console: Client) -> None:
    text = page(console)
    assert "No batches yet" in text
    assert "$API_KEY" in text
    assert "Needs attention" not in text


def test_what_others_do_is_not_shown(member: SignIn, make_batch: MakeBatch, other_project: Project) -> None:
    foreign = make_batch(BatchStatus.IN_PROGRESS, remark="Theirs", failed=1, pending=77, of=other_project)
    settle(foreign, succeeded=4321)
    make_batch(remark="Ours", succeeded=1)
    text = page(member(Role.VIEWER))
    assert "Ours" in text
    assert "Theirs" not in text
    assert "4,321" not in text
    assert "77" not in text.partition('id="numbers"')[2].partition("</section>")[0]
    assert "New batch" not in text, "a viewer starts none"


def test_a_hostile_name_is_shown_as_it_is(console: Client, make_batch: MakeBatch) -> None:
    make_batch(BatchStatus.FAILED, remark="<script>x</script>\u202egnp" + "y" * 400)
    text = page(console)
    assert "<script>x" not in text
    assert "&lt;script&gt;x&lt;/script&gt;⟨U+202E⟩gnp" in text


def test_the_number_of_queries_does_not_grow(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int]
) -> None:
    for _ in range(NAMED + 1):
        in_trouble(make_batch)
    few = count_queries(lambda: page(console))
    for number in range(3):
        in_trouble(make_batch)
        Provider.objects.create(name=f"more-{number}", adapter="simulator")
    assert count_queries(lambda: page(console)) == few
    assert few <= 38


def test_the_regions_alone_are_refreshed(console: Client, make_batch: MakeBatch) -> None:
    make_batch(succeeded=1)
    answer = console.get("/console/overview/?fragment=1")
    text = answer.content.decode()
    assert "<html" not in text
    assert all(f'id="{region}"' in text for region in ("attention", "numbers", "charts", "lately"))
    assert console.get("/console/overview/?fragment=1", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_a_member_of_two_projects_sees_both(member: SignIn, make_batch: MakeBatch, other_project: Project) -> None:
    viewer = member(Role.VIEWER)
    Membership.objects.create(user=User.objects.get(), project=other_project, role=Role.VIEWER)
    make_batch(remark="Ours")
    make_batch(remark="Theirs", of=other_project)
    text = page(viewer)
    assert "Ours" in text
    assert "Theirs" in text


def test_a_batch_under_two_concerns_keeps_its_counts_under_both(console: Client, make_batch: MakeBatch) -> None:
    """O2: of a running batch that a guard had paused, one card said that its input was not valid."""
    batch = make_batch(BatchStatus.IN_PROGRESS, failed=3, pending=4)
    Batch.objects.filter(pk=batch.pk).update(paused_at=timezone.now(), paused_by="a guard")
    matters = console.get("/console/overview/").context["matters"]
    assert {matter.label: [one.words for one in matter.worst] for matter in matters} == {
        "Failing": ["3 of 3 failed"],
        "Paused": ["by a guard"],
    }


def test_a_provider_in_trouble_is_the_first_card(console: Client, simulator: Provider, make_batch: MakeBatch) -> None:
    """O3, O5: the overview did not tell of a provider that was down or refused everything."""
    now = timezone.now()
    make_batch(BatchStatus.IN_PROGRESS, pending=4)
    about = {"concurrency": 7, "recent_calls": 50, "recent_refused": 50, "updated_at": now}
    ProviderHealth.objects.create(provider=simulator, **about)
    attention = page(console).partition('id="attention"')[2]
    assert attention.index("simulator</a>: rate-limiting") < attention.index("Throttled or rate-limited")
    assert "50 of the last 50 calls turned away" in attention
    assert "1 batch</a>, 4 requests" in attention
