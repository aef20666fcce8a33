"""The page of the API."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from batches.api.openapi.document import document
from tests.browser.eyes import SCHEMES, TOO_FAINT
from tests.conftest import Portal

pytestmark = pytest.mark.once


def test_everybody_may_read_the_page(client: Client, db: None) -> None:
    answer = client.get("/api/docs/")
    assert answer.status_code == 200
    assert client.get("/api/docs").headers["Location"] == "/api/docs/"


def test_the_page_has_every_call_parameter_and_field_of_the_document(client: Client, db: None) -> None:
    page = client.get("/api/docs/").content.decode()
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            section = page.partition(f'<section class="card operation" id="{operation["operationId"]}"')[2].partition(
                "</section>"
            )[0]
            assert f">{method.upper()}</span>" in section
            assert f"<code>{path.removeprefix('/api/v1')}</code>" in section
            for parameter in operation.get("parameters", ()):
                assert f"<code>{parameter['name']}</code>" in section, (path, parameter["name"])
            for status in operation["responses"]:
                assert f">{status}</span>" in section, (path, status)
    for name in ("requests[].custom_id", "counts.pending", "links.merge", "problems[].line", "history[].retry_at"):
        assert f"<code>{name}</code>" in page


def test_every_call_can_be_copied_with_the_address_of_this_portal(client: Client, db: None) -> None:
    page = client.get("/api/docs/", headers={"Host": "localhost"}).content.decode()
    assert page.count('data-copy="curl http://localhost/api/v1/') >= 17
    assert "http://portal" not in page
    assert "$API_KEY" in page


def test_no_part_of_the_page_comes_from_elsewhere_or_runs_inline(client: Client, db: None) -> None:
    answer = client.get("/api/docs/")
    page = answer.content.decode()
    assert "script-src" not in answer.headers["Content-Security-Policy"]  # so that default-src holds
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.findall(r"<script(?![^>]*\bsrc=)", page)
    assert not re.findall(r'\sstyle="|\son\w+="', page)
    assert all(address.startswith("/static/") for address in re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]+)"', page))


def test_the_page_is_readable_in_light_and_dark_and_fits_every_window(page: Page, portal: Portal) -> None:
    page.goto(f"{portal.url}/api/docs/")
    page.evaluate("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(TOO_FAINT) == []
    for width in (320, 640, 1024, 1440, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), width


def test_the_contents_lead_to_every_call(page: Page, portal: Portal) -> None:
    page.goto(f"{portal.url}/api/docs/")
    page.get_by_role("navigation", name="On this page").get_by_role("link", name="Upload a file").click()
    expect(page.get_by_role("heading", name="Upload a file")).to_be_in_viewport()


def test_somebody_signed_in_finds_the_page_and_opens_a_list_from_it(page: Page, portal: Portal, operator: User) -> None:
    page.goto(f"{portal.url}/console/")
    page.get_by_label("User name").fill("operator")
    page.get_by_label("Password").fill("operator")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="API").click()
    page.locator("#list_batches").get_by_role("link", name="Open").click()
    expect(page.locator("body")).to_contain_text('{"data":[],"next_cursor":null,"next":null}')
