"""An operator at a browser."""

import json
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from batches.models import Project
from providers.models import Provider
from tests.conftest import Portal
from tests.console.conftest import MakeBatch


def sign_in(page: Page, portal: Portal) -> None:
    """Sign `operator` in, through the form, and go to the list of batches."""
    page.goto(f"{portal.url}/")
    page.get_by_label("User name").fill("operator")
    page.get_by_label("Password").fill("operator")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/overview/")
    page.goto(f"{portal.url}/console/batches/")


@pytest.fixture
def desk(page: Page, portal: Portal, operator: User) -> Page:
    """A window in which `operator` is signed in, on the list of batches."""
    sign_in(page, portal)
    return page


@pytest.fixture
def make_batch(project: Project, simulator: Provider) -> MakeBatch:
    return MakeBatch(project, simulator)


@pytest.fixture
def requests_file(tmp_path: Path) -> Path:
    """Four requests, of which the simulator fails one."""
    lines = []
    for number in range(4):
        body: dict[str, object] = {"model": "m-1", "messages": [{"role": "user", "content": f"Say {number}."}]}
        if number == 2:
            body["simulate"] = {"status": 400, "code": "content_filter", "message": "Not this one."}
        lines.append({"custom_id": f"say-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body})
    path = tmp_path / "requests.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
