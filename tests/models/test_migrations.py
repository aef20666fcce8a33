"""Migrations of large tables: an interrupted one goes on when it is run anew."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from batches.models import Event, Project
from batches.rules.states import Act, BatchStatus, Source
from providers.models import Provider
from tests.cast import request_lines, started

pytestmark = pytest.mark.both
indexes = import_module("batches.migrations.0019_indexes_of_acts_and_recoveries")


@pytest.mark.django_db(transaction=True)
def test_an_index_that_is_there_is_not_built_again() -> None:
    added = [each for each in indexes.Migration.operations if isinstance(each, indexes.AddIndexMeanwhile)]
    with connection.schema_editor(atomic=False) as editor:
        for operation in added:
            operation.database_forwards("batches", editor, None, SimpleNamespace(apps=apps))
    assert len(added) == 7


@pytest.mark.django_db(transaction=True)
def test_what_is_left_of_an_index_is_dropped_and_built_anew() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL leaves an index that is not valid")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'audit_actor'::regclass")
    (operation,) = (
        each for each in indexes.Migration.operations if getattr(each, "index", None) and each.index.name == "audit_actor"
    )
    with connection.schema_editor(atomic=False) as editor:
        assert not indexes.is_finished(editor, "audit_actor")
        operation.database_forwards("batches", editor, None, SimpleNamespace(apps=apps))
        assert indexes.is_finished(editor, "audit_actor")


@pytest.mark.django_db
def test_acts_until_now_get_the_project_of_their_batch(
    project: Project, simulator: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "EVENTS_AT_ONCE", 2)
    batch, running = started(project, request_lines(1)), BatchStatus.IN_PROGRESS
    for act, origin, to in [(Act.PAUSED, running, running), ("", running, running), ("", running, BatchStatus.CANCELLING)]:
        about = {"version": 1, "actor": "user anna", "source": Source.CONSOLE, "created_at": timezone.now()}
        Event.objects.create(batch=batch, act=act, from_status=origin, to_status=to, **about)
    indexes.name_projects_of_acts(apps, None)
    indexes.name_projects_of_acts(apps, None)
    named = Event.objects.filter(project=project)
    assert named.count() == 3
    assert set(named.values_list("actor", flat=True)) == {"user anna"}
