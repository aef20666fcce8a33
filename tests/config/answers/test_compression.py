"""Compression: pages are smaller, and none of them with a secret is compressed."""

import gzip

import pytest
from django.contrib.auth.models import User
from django.test import Client

from batches.models import Batch, Project, Role
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch, SignIn

pytestmark = pytest.mark.once
BROWSER = {"Accept-Encoding": "gzip, deflate, br"}


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.COMPLETED, succeeded=40)


def test_a_page_is_sent_as_gzip_to_who_takes_it(console: Client, batch: Batch) -> None:
    """O20: a page of 42 KB was sent as it is."""
    plain = console.get(f"/console/batches/{batch}/")
    packed = console.get(f"/console/batches/{batch}/", headers=BROWSER)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert int(packed.headers["Content-Length"]) == len(packed.content) < len(plain.content) / 4
    assert gzip.decompress(packed.content).startswith(b"<!doctype html>")


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip; q=0.000, br", "deflate, gzip;q=0"])
def test_who_refuses_gzip_gets_none(console: Client, batch: Batch, accepted: str) -> None:
    answer = console.get("/console/batches/", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("accepted", ["gzip", "gzip;q=0.5", "br, gzip;q=0.01", "deflate, GZIP".lower()])
def test_who_takes_gzip_in_any_rank_gets_it(console: Client, batch: Batch, accepted: str) -> None:
    assert console.get("/console/batches/", headers={"Accept-Encoding": accepted}).headers["Content-Encoding"] == "gzip"


def test_the_length_of_the_same_page_differs(console: Client, batch: Batch) -> None:
    """Otherwise the length tells whether a guess in the address is part of a secret on the page."""
    lengths = {len(console.get("/console/overview/", headers=BROWSER).content) for _ in range(12)}
    assert len(lengths) > 3


def test_pages_with_secrets_files_and_answers_of_apis_stay_as_they_are(
    console: Client, member: SignIn, project: Project, batch: Batch, key: str
) -> None:
    for path in ("/console/account/mfa/", "/console/account/password/"):
        assert "Content-Encoding" not in console.get(path, headers=BROWSER, follow=True).headers
    made = {"name": "nightly", "project": "acme", "scopes": ["read"], "token": "019bd3a1-c0de-7b33-a9d4-1f52c8e07a66"}
    issued = member(Role.ADMIN).post("/console/keys/new/", made, headers=BROWSER)
    assert "by_" in issued.content.decode()
    for path in (f"/v1/batches/{batch}", "/api/v1/batches"):
        answer = console.get(path, headers={**BROWSER, "Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, None)
    file = console.get(f"/console/batches/{batch}/files/input/", headers=BROWSER)
    assert file.getvalue()
    assert "Content-Encoding" not in file.headers
    assert User.objects.exists()
