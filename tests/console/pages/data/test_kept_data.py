"""How long projects keep what, legal holds and erasure, in the console."""

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from batches.models import Batch, BatchObject, Erasure, LegalHold, Project, RetentionPolicy, Role
from batches.services.erasure.erase import run
from tests.console.conftest import SignIn
from tests.services.pruned import mixed

pytestmark = [pytest.mark.django_db, pytest.mark.once, pytest.mark.usefixtures("simulator")]

PAGE = "/console/data/acme/"


@pytest.fixture
def admin(member: SignIn) -> Client:
    return member(Role.ADMIN)


@pytest.fixture
def batch(project: Project, settings: Settings) -> Batch:
    return mixed(project, settings, prefix="somebody")


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_leads_to_the_projects_that_the_person_administers(admin: Client, batch: Batch, other_project: Project) -> None:
    page = text(admin, "/console/data/")
    assert PAGE in page
    assert "globex" not in page


def test_the_page_shows_every_term_with_its_source_and_the_stored_bytes(admin: Client, batch: Batch) -> None:
    page = text(admin, PAGE)
    assert "the portal (FILE_LIFETIME_SECONDS)" in page
    assert "no limit" in page
    assert "Output and error files" in page


def test_terms_are_saved_and_an_empty_field_is_the_portals_term(admin: Client, project: Project) -> None:
    assert admin.post(PAGE, {"bodies": "7"}).status_code == 302
    assert list(RetentionPolicy.objects.values_list("kind", "days")) == [("bodies", 7)]
    assert "this project, by user" in text(admin, PAGE)
    assert admin.post(PAGE, {"bodies": ""}).status_code == 302
    assert not RetentionPolicy.objects.exists()


def test_deliveries_of_webhooks_are_a_kind_of_their_own(admin: Client, project: Project) -> None:
    page = text(admin, PAGE)
    assert "Webhook deliveries" in page
    assert "the portal (WEBHOOK_LOG_DAYS)" in page
    assert admin.post(PAGE, {"deliveries": "3"}).status_code == 302
    assert list(RetentionPolicy.objects.values_list("kind", "days")) == [("deliveries", 3)]


@pytest.mark.parametrize("days", ["0", "x", "40000", "1.5"])
def test_a_bad_number_of_days_is_refused_at_its_field(admin: Client, project: Project, days: str) -> None:
    answer = admin.post(PAGE, {"bodies": days})
    assert answer.status_code == 422
    assert "wrong-text" in answer.content.decode()
    assert not RetentionPolicy.objects.exists()


def test_a_hold_is_placed_on_a_batch_and_released(admin: Client, batch: Batch) -> None:
    assert admin.post(f"{PAGE}hold/", {"batch": str(batch), "reason": "A lawsuit."}).status_code == 302
    hold = LegalHold.objects.get()
    assert hold.batch == batch
    assert "A lawsuit." in text(admin, PAGE)
    path = f"/console/data/holds/{hold.pk}/release/"
    assert admin.post(path, {"reason": ""}).status_code == 422
    assert admin.post(path, {"reason": "It is settled."}).status_code == 302
    assert admin.post(path, {"reason": "Again."}).status_code == 422
    hold.refresh_from_db()
    assert hold.release_reason == "It is settled."


def test_a_hold_of_a_batch_of_another_project_is_refused(admin: Client, batch: Batch, other_project: Project) -> None:
    Batch.objects.filter(pk=batch.pk).update(project=other_project)
    answer = admin.post(f"{PAGE}hold/", {"batch": str(batch), "reason": "A lawsuit."})
    assert answer.status_code == 422
    assert not LegalHold.objects.exists()


def test_an_erasure_is_previewed_then_confirmed_and_has_a_receipt(admin: Client, batch: Batch) -> None:
    asked = {"kind": "custom_id", "value": "somebody-7"}
    page = admin.post(f"{PAGE}erase/", asked | {"do": "look"})
    assert page.status_code == 200
    assert "What would be touched" in page.content.decode()
    assert not Erasure.objects.exists()

    assert admin.post(f"{PAGE}erase/", asked | {"do": "erase", "reason": ""}).status_code == 422
    answer = admin.post(f"{PAGE}erase/", asked | {"do": "erase", "reason": "A letter."})
    erasure = Erasure.objects.get()
    assert answer.headers["Location"] == f"/console/data/erasures/{erasure.pk}/"
    run(erasure.pk, now=timezone.now())
    receipt = text(admin, answer.headers["Location"])
    assert "A letter." in receipt
    assert "somebody-7" not in receipt
    assert not BatchObject.objects.filter(custom_id="somebody-7").exists()


def test_what_is_under_hold_cannot_be_erased(admin: Client, batch: Batch) -> None:
    admin.post(f"{PAGE}hold/", {"reason": "A lawsuit."})
    page = admin.post(f"{PAGE}erase/", {"kind": "custom_id", "value": "somebody-7", "do": "erase", "reason": "A letter."})
    assert page.status_code == 422
    assert "under legal hold: A lawsuit." in page.content.decode()
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("asked", [{"kind": "metadata", "value": "no pair"}, {"kind": "x", "value": "a"}, {"kind": "custom_id"}])
def test_what_cannot_be_erased_is_refused_at_its_field(admin: Client, project: Project, asked: dict[str, str]) -> None:
    answer = admin.post(f"{PAGE}erase/", asked)
    assert answer.status_code == 422
    assert "wrong-text" in answer.content.decode()


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}hold/", f"{PAGE}erase/"])
def test_operators_and_other_tenants_are_refused(member: SignIn, project: Project, other_project: Project, path: str) -> None:
    assert member(Role.OPERATOR).get(path).status_code == 403
    assert member(Role.ADMIN, of=other_project).get(path).status_code == 404
