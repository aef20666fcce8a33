"""How long a project keeps what: by its own policy within the portal's bounds, or as the portal does."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from batches.models import AuditEntry, File, Project, RetentionKind, RetentionPolicy
from batches.rules.errors import InvalidRequest
from batches.services.retention.terms import SETTINGS, OutOfBounds, Term, kinds_named, set_terms, terms
from tests.cast import TESTER, stored

pytestmark = [pytest.mark.django_db, pytest.mark.alike]

DAY = timedelta(days=1)


def by_kind(found: list[Term]) -> dict[RetentionKind, Term]:
    return {term.kind: term for term in found}


def test_without_a_policy_the_portal_decides(project: Project, settings: Settings) -> None:
    settings.BATCH_RETENTION_DAYS = 90
    found = by_kind(terms(project))
    assert found[RetentionKind.BATCHES].days == 90
    assert found[RetentionKind.BATCHES].source == "the portal (BATCH_RETENTION_DAYS)"
    assert found[RetentionKind.FILES].days == 30
    assert found[RetentionKind.BODIES].days is None


def test_every_kind_has_its_setting_and_its_sentence() -> None:
    assert set(SETTINGS) == set(RetentionKind)
    assert all(kind.sentence for kind in RetentionKind)


def test_a_policy_of_the_project_comes_first_and_says_who_set_it(project: Project, other_project: Project) -> None:
    found = by_kind(set_terms(project, days={RetentionKind.BODIES: 7}, actor=TESTER, now=timezone.now()))
    assert found[RetentionKind.BODIES].days == 7
    assert found[RetentionKind.BODIES].source == "this project, by tester"
    assert by_kind(terms(other_project))[RetentionKind.BODIES].days is None


def test_none_is_the_portals_term_again_and_every_change_is_recorded(project: Project) -> None:
    now = timezone.now()
    set_terms(project, days={RetentionKind.BODIES: 7, RetentionKind.EVENTS: 9}, actor=TESTER, now=now)
    set_terms(project, days={RetentionKind.BODIES: 7}, actor=TESTER, now=now)
    set_terms(project, days={RetentionKind.BODIES: None}, actor=TESTER, now=now)
    assert list(RetentionPolicy.objects.values_list("kind", "days")) == [("events", 9)]
    changes = [entry.changes for entry in AuditEntry.objects.filter(act="set_retention").order_by("created_at", "id")]
    assert changes == [{"bodies": [None, 7], "events": [None, 9]}, {"bodies": [7, None]}]


@pytest.mark.parametrize("days", [0, 6, 61])
def test_the_portals_bounds_hold_and_nothing_is_set_beyond_them(project: Project, settings: Settings, days: int) -> None:
    settings.RETENTION_BOUNDS = {"bodies": (7, 60)}
    with pytest.raises(OutOfBounds, match=rf"from 7 to 60 days, not {days}"):
        set_terms(project, days={RetentionKind.EVENTS: 3, RetentionKind.BODIES: days}, actor=TESTER, now=timezone.now())
    assert not RetentionPolicy.objects.exists()


def test_audit_entries_stay_for_90_days_at_least(project: Project) -> None:
    with pytest.raises(OutOfBounds, match="from 90 to"):
        set_terms(project, days={RetentionKind.AUDIT: 30}, actor=TESTER, now=timezone.now())


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(InvalidRequest, match="'bodys'"):
        kinds_named(["bodies", "bodys"])


def test_a_new_file_lives_as_long_as_its_project_says_and_a_client_cannot_ask_for_more(project: Project) -> None:
    now = timezone.now()
    set_terms(project, days={RetentionKind.FILES: 3}, actor=TESTER, now=now)
    assert stored(project, b"a", now=now).expires_at == now + 3 * DAY
    set_terms(project, days={RetentionKind.FILES: 300}, actor=TESTER, now=now)
    assert stored(project, b"a", now=now).expires_at == now + 300 * DAY
    assert File.objects.count() == 2
