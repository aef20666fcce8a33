from collections.abc import Callable

import pytest
from django.contrib import admin
from django.test import Client

from batches.models import ApiKey, Batch, Event, Project
from batches.states import BatchStatus
from tests.console.conftest import MakeBatch

TABLES = [model for model in admin.site._registry if model._meta.app_label == "batches"]
EDITABLE = {"project", "apikey"}


def listing(model: type[object]) -> str:
    return f"/admin/batches/{model.__name__.lower()}/"


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_every_table_is_listed_and_searched_without_growing_queries(
    console: Client, make_batch: MakeBatch, count_queries: Callable[[Callable[[], object]], int], model: type[object]
) -> None:
    make_batch(succeeded=1, failed=1)
    few = count_queries(lambda: console.get(listing(model)))
    for _ in range(3):
        batch = make_batch(succeeded=2, failed=2)
    assert count_queries(lambda: console.get(listing(model))) <= few + 1
    for term in (str(batch), "words", "batch_", "%"):
        assert console.get(listing(model), {"q": term}).status_code == 200


@pytest.mark.parametrize("model", [model for model in TABLES if model._meta.model_name not in EDITABLE], ids=str)
def test_what_the_engine_writes_is_read_only(console: Client, make_batch: MakeBatch, model: type[object]) -> None:
    make_batch(succeeded=1, failed=1)
    assert console.get(f"{listing(model)}add/").status_code == 403
    row = model.objects.first()  # type: ignore[attr-defined]
    if row is not None:
        assert console.get(f"{listing(model)}{row.pk}/change/").status_code == 200
        assert console.post(f"{listing(model)}{row.pk}/change/", {}).status_code == 403
        assert console.get(f"{listing(model)}{row.pk}/delete/").status_code == 403


def test_a_batch_is_found_by_its_id(console: Client, make_batch: MakeBatch) -> None:
    batch, other = make_batch(), make_batch()
    page = console.get(listing(Batch), {"q": f"msgbatch_{batch.id.hex}"}).content.decode()
    assert str(batch) in page
    assert str(other) not in page


def test_batches_are_cancelled_through_the_service(console: Client, make_batch: MakeBatch) -> None:
    running, over = make_batch(BatchStatus.IN_PROGRESS, pending=1), make_batch(BatchStatus.COMPLETED)
    answer = console.post(listing(Batch), {"action": "cancel", "_selected_action": [running.pk, over.pk]}, follow=True)
    assert "1 being cancelled; 1 could not be cancelled any more." in answer.content.decode()
    running.refresh_from_db()
    assert running.status == BatchStatus.CANCELLING
    event = Event.objects.get(to_status=BatchStatus.CANCELLING)
    assert (event.actor, event.source) == ("user operator", "admin")


def test_a_key_is_shown_once_and_works(console: Client, project: Project) -> None:
    form = {"project": project.pk, "name": "mobile-app", "expires_at_0": "", "expires_at_1": ""}
    page = console.post("/admin/batches/apikey/add/", form, follow=True).content.decode()
    key = ApiKey.objects.get(name="mobile-app")
    shown = next(word for word in page.split() if word.startswith(key.prefix) and len(word) > len(key.prefix))
    assert key.matches(shown)
    later = console.get(f"/admin/batches/apikey/{key.pk}/change/").content.decode()
    assert shown not in later
    assert key.digest not in later


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "two\u202ewords"}, "printable characters"),
        ({"expires_at_0": "2001-01-01", "expires_at_1": "00:00"}, "cannot expire before it is made"),
    ],
)
def test_a_key_that_cannot_be_issued_is_refused_beside_its_field(
    console: Client, project: Project, wrong: dict[str, str], said: str
) -> None:
    form = {"project": project.pk, "name": "mobile-app", "expires_at_0": "", "expires_at_1": ""} | wrong
    page = console.post("/admin/batches/apikey/add/", form)
    assert page.status_code == 200
    assert said in page.content.decode()
    assert not ApiKey.objects.exists()


def test_a_project_whose_slug_the_admin_took_has_keys(console: Client) -> None:
    project = Project.objects.create(slug="Search-Team", name="Search")
    form = {"project": project.pk, "name": "mobile-app", "expires_at_0": "", "expires_at_1": ""}
    console.post("/admin/batches/apikey/add/", form)
    assert ApiKey.objects.get().project == project


def test_keys_are_revoked(console: Client, project: Project) -> None:
    key, _ = ApiKey.issue(project=project, name="old")
    for expected in ("1 revoked, 0 were revoked before.", "0 revoked, 1 were revoked before."):
        form = {"action": "revoke", "_selected_action": [key.pk]}
        assert expected in console.post("/admin/batches/apikey/", form, follow=True).content.decode()
    key.refresh_from_db()
    assert key.revoked_at is not None
