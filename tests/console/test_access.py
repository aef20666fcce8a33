from collections.abc import Callable

import pytest
from django.test import Client

from batches.models import Batch, Event
from batches.states import BatchStatus
from tests.console.conftest import MakeBatch

READS = ["", "batches/{id}/", "batches/{id}/lines/1/", "batches/{id}/files/input/", "batches/{id}/results/"]
ACTS = {"batches/new/": "add_batch", "batches/{id}/cancel/": "cancel_batch"}
EVERYTHING = [*READS, *ACTS]


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.IN_PROGRESS, succeeded=1, pending=1)


def address(path: str, batch: Batch) -> str:
    return "/console/" + path.format(id=batch)


@pytest.mark.parametrize("path", EVERYTHING)
def test_who_is_not_signed_in_is_asked_to_and_led_back(client: Client, batch: Batch, path: str) -> None:
    answer = client.get(address(path, batch))
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/console/login/?next={address(path, batch)}"


@pytest.mark.parametrize("path", EVERYTHING)
def test_who_lacks_the_permission_is_refused(sign_in_with: Callable[..., Client], batch: Batch, path: str) -> None:
    wanted = ACTS.get(path, "view_batch")
    others = {"view_batch", "add_batch", "cancel_batch"} - {wanted}
    answer = sign_in_with(*sorted(others)).get(address(path, batch))
    assert answer.status_code == 403
    assert "You may not do this" in answer.content.decode()


@pytest.mark.parametrize("path", EVERYTHING)
def test_the_permission_suffices(sign_in_with: Callable[..., Client], batch: Batch, path: str) -> None:
    answer = sign_in_with(ACTS.get(path, "view_batch")).get(address(path, batch))
    answer.close()
    assert answer.status_code == 200


def test_a_viewer_cannot_cancel_and_is_not_offered_to(sign_in_with: Callable[..., Client], batch: Batch) -> None:
    viewer = sign_in_with("view_batch")
    assert "cancel/" not in viewer.get(address("batches/{id}/", batch)).content.decode()
    assert viewer.post(address("batches/{id}/cancel/", batch)).status_code == 403
    batch.refresh_from_db()
    assert batch.status == BatchStatus.IN_PROGRESS
    assert not Event.objects.filter(to_status=BatchStatus.CANCELLING).exists()


def test_a_poll_after_signing_out_gets_a_note_and_no_page(client: Client, batch: Batch) -> None:
    answer = client.get("/console/?status=failed", headers={"X-Requested-With": "fragment"})
    assert answer.status_code == 401
    assert "You are signed out" in answer.content.decode()
    assert b"<html" not in answer.content


@pytest.mark.parametrize(
    "path",
    [
        "batches/batch_00000000000000000000000000000000/",
        "batches/nonsense/",
        "batches/{id}/lines/99/",
        "batches/{id}/files/output/",
        "batches/{id}/files/secrets/",
        "nowhere/",
    ],
)
def test_what_does_not_exist_is_a_404_in_the_consoles_look(console: Client, batch: Batch, path: str) -> None:
    answer = console.get(address(path, batch))
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


@pytest.mark.parametrize("form", ["batch_{hex}", "msgbatch_{hex}", "{dashed}"])
def test_a_batch_has_a_page_under_each_form_of_its_id(console: Client, batch: Batch, form: str) -> None:
    identifier = form.format(hex=batch.id.hex, dashed=batch.id)
    assert console.get(f"/console/batches/{identifier}/").status_code == 200


def test_pages_allow_no_script_or_style_but_their_own_files(console: Client, batch: Batch) -> None:
    for path in ["/console/", address("batches/{id}/", batch), "/admin/", "/console/nowhere/"]:
        answer = console.get(path)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        page = answer.content.decode()
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert " onclick=" not in page


def test_signing_in_and_out_works_and_leads_on(client: Client, operator: object) -> None:
    answer = client.post("/console/login/", {"username": "operator", "password": "operator", "next": "/console/?view=active"})
    assert answer.headers["Location"] == "/console/?view=active"
    assert client.get("/console/batches/").status_code == 200
    assert client.post("/console/logout/").headers["Location"] == "/console/login/"
    assert client.get("/console/").status_code == 302


def test_a_wrong_password_is_said(client: Client, operator: object) -> None:
    answer = client.post("/console/login/", {"username": "operator", "password": "wrong"})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
