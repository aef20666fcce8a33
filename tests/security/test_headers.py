"""S9: no answer of the portal is kept by a browser, or by anything in between; found from the portal's own URLs."""

from collections.abc import Mapping

import pytest
from django.http import HttpResponseBase
from django.test import Client

from batches.models import Batch
from batches.rules.states import BatchStatus
from tests.console.conftest import MakeBatch
from tests.matrix import every
from tests.security.routes import paths

pytestmark = pytest.mark.once
FRAGMENT = {"X-Requested-With": "fragment"}
ANYBODYS = ("/static/",)


@pytest.fixture
def batch(make_batch: MakeBatch) -> Batch:
    return make_batch(BatchStatus.COMPLETED, succeeded=1, failed=1)


def walked(fixtures: Mapping[str, object]) -> list[str]:
    found = fixtures["batch"]
    assert isinstance(found, Batch)
    walked = [path for path in paths(found) if not path.startswith(ANYBODYS)]
    assert len(walked) > 300
    assert {"/", "/console/overview/", "/admin/", "/api/docs/", "/v1/models"} <= set(walked)
    return walked


def kept(answer: HttpResponseBase) -> set[str]:
    """The words of Cache-Control; the answer is read to its end."""
    if answer.streaming:
        answer.getvalue()
    return {word.strip() for word in answer.headers.get("Cache-Control", "").split(",")}


@every("path", walked)
def test_no_answer_is_kept_whoever_asks(console: Client, batch: Batch, key: str, path: str) -> None:
    nobody = Client(raise_request_exception=False)
    with_key = {"Authorization": f"Bearer {key}"}
    for answer in (console.get(path), nobody.get(path), nobody.get(path, headers=with_key), nobody.post(path)):
        assert {"private", "no-store"} <= kept(answer), (answer.status_code, answer.headers.get("Cache-Control"))


@every("path", walked)
def test_a_fragment_that_polls_is_compared_and_shared_with_nobody(console: Client, batch: Batch, path: str) -> None:
    answer = console.get(path, headers=FRAGMENT)
    if answer.streaming or answer.status_code != 200 or not path.startswith("/console/") or "ETag" not in answer.headers:
        assert {"private", "no-store"} <= kept(answer)
        return
    assert kept(answer) == {"private", "no-cache"}
    assert "X-Requested-With" in answer.headers["Vary"]
    again = console.get(path, headers={**FRAGMENT, "If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, kept(again)) == (304, {"private", "no-cache"})


def test_the_live_pages_are_among_them(console: Client, batch: Batch) -> None:
    for path in ("/console/overview/", "/console/batches/", f"/console/batches/{batch}/", "/console/providers/"):
        assert "ETag" in console.get(path, headers=FRAGMENT).headers


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/readyz/web", "/nowhere", "/v1/nowhere", "/static/nowhere.js"])
def test_nor_is_what_is_no_page_at_all(db: None, path: str) -> None:
    assert {"private", "no-store"} <= kept(Client().get(path))
