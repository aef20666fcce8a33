"""Pictures of the console: `python -m tests.screenshots` starts a portal with the demo and puts them into tests/screenshots/."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests import chromium
from tests.processes import portal_process

FOLDER = Path(__file__).parent / "screenshots"
LOOKS = {"light-wide": ("light", 1280, 860), "dark-wide": ("dark", 1280, 860), "light-narrow": ("light", 320, 720)}
# The admin is looked at from a phone's width to a wide one.
ADMIN = {
    "admin": "/admin/",
    "admin-batches": "/admin/batches/batch/",
    "admin-keys": "/admin/batches/apikey/",
    "admin-new-provider": "/admin/providers/provider/add/",
}
ADMIN_WIDTHS = (390, 1024, 1360, 1920)
PASSWORD = "screenshots"
# The batches of the demo that are shown, by their remark.
BATCHES = {
    "batch": "Judge the top ten",
    "running": "product photos",
    "throttled": "Rewrite macros",
    "invalid": "size charts",
    "cancelled": "nobody waits",
}
DEMO_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture: what it is called, its page, and what is clicked on before. `{batch}` and the like stand for
    addresses, `{batch_id}` and the like for ids.
    """

    name: str
    path: str
    click: str = ""


# A new page is one line.
SHOTS = (
    Shot("overview", "/console/overview/"),
    Shot("providers", "/console/providers/"),
    Shot("provider", "/console/providers/demo-steady/"),
    Shot("batches", "/console/batches/"),
    Shot(
        "filter", "/console/batches/?status!=cancelled&project=search&project=support", click="details.more >> nth=0 >> summary"
    ),
    Shot(
        "display", "/console/batches/?columns=status,progress,key,tags,tokens,deadline", click="details.more >> nth=1 >> summary"
    ),
    Shot("selected", "/console/batches/?view=active", click="[data-select] >> nth=0"),
    Shot("bulk-new", "/console/bulk/new/?act=cancel&scope=matching&query=view%3Dall"),
    Shot("bulk", "/console/bulk/"),
    Shot("bulk-operation", "/console/bulk/", click=".title >> nth=0"),
    Shot("no-match", "/console/batches/?status=cancelled&model=none"),
    Shot("not-understood", "/console/batches/?status=lost"),
    Shot("save-view", "/console/views/new/?view=attention&project=search"),
    Shot("views", "/console/views/"),
    *(Shot(name, f"{{{name}}}") for name in BATCHES),
    Shot("object", "{batch}lines/4/"),
    Shot("edit", "{batch}lines/4/edit/"),
    Shot("retry", "{batch}retry/"),
    Shot("retry-selected", "{batch}?status=failed", click="[data-select] >> nth=0"),
    Shot("errors", "/console/errors/"),
    Shot("errors-none", "/console/errors/?text=nothing+like+it"),
    Shot("errors-not-understood", "/console/errors/?window=1y"),
    Shot("error-group", "/console/errors/", click="[data-row] .title >> nth=0"),
    Shot("history", "{batch}history/"),
    Shot("faces", "{batch}faces/"),
    Shot("guards", "{running}guards/"),
    Shot("cancel", "{running}cancel/"),
    Shot("compare-with", "{batch}compare/"),
    Shot("compare", "{batch}compare/", click=".rows .title >> nth=0"),
    Shot("keys", "/console/keys/"),
    Shot("new-key", "/console/keys/new/"),
    Shot("stops", "/console/stops/"),
    Shot("stop", "/console/stops/new/?what=sending&place=portal"),
    Shot("new-batch", "/console/batches/new/"),
    Shot("clone", "/console/batches/new/?from={running_id}"),
    Shot("check-input", "/console/batches/new/?from={running_id}", click="[data-submit]"),
    Shot("check-input-invalid", "/console/batches/new/?from={invalid_id}", click="[data-submit]"),
    Shot("not-found", "/console/nowhere/"),
    Shot("audit", "/console/audit/"),
    Shot("search", "/console/search/?q=macros"),
    *(Shot(name, path) for name, path in ADMIN.items()),
)


def main() -> None:
    """Start a portal, let the demo run, and take every picture."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, portal_process(Path(folder), OPERATOR_PASSWORD=PASSWORD) as portal:
        for words in (["collectstatic", "--no-input", "--verbosity", "0"], ["welcome"]):
            portal.manage(*words).check_returncode()
        portal.start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium.ensure(), args=list(chromium.ARGUMENTS))
            for look, page in _windows(browser, portal.url):
                _take(page, f"empty-{look}")  # the overview of a fresh portal
            portal.manage("demo").check_returncode()
            for look, page in _windows(browser, portal.url):
                _take_all(page, portal.url, look)
            browser.close()
        portal.stop()


def _windows(browser: Browser, url: str) -> Iterator[tuple[str, Page]]:
    """A window for each look, in which somebody has signed in."""
    for look, (scheme, width, height) in LOOKS.items():
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{url}/console/")
        page.get_by_label("User name").fill("operator")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/console/overview/")
        yield look, page
        context.close()


def _take_all(page: Page, url: str, look: str) -> None:
    page.goto(f"{url}/console/batches/")
    for badge in ("Completed with", "Cancelled", "Throttled|Rate-limited", "Expired"):  # the demo has come far enough
        page.locator(".badge", has_text=re.compile(badge)).first.wait_for(timeout=DEMO_SECONDS * 1000)
    titles = {name: page.locator(".title", has_text=words) for name, words in BATCHES.items()}
    page.goto(f"{url}/console/bulk/")
    if not page.locator("[data-row]").count():
        _order(page, url)
    page.goto(f"{url}/console/batches/")
    addresses = {name: title.get_attribute("href") or "" for name, title in titles.items()}
    ids = {f"{name}_id": address.rstrip("/").rpartition("/")[2] for name, address in addresses.items()}
    for shot in SHOTS:
        page.goto(url + shot.path.format(**addresses, **ids))
        if shot.click and page.locator(shot.click).count():
            page.locator(shot.click).click()
        _take(page, f"{shot.name}-{look}")
        for width in ADMIN_WIDTHS if shot.name in ADMIN and look.endswith("wide") else ():
            page.set_viewport_size({"width": width, "height": 900})
            _take(page, f"{shot.name}-{look.removesuffix('wide')}{width}")
        page.set_viewport_size({"width": LOOKS[look][1], "height": LOOKS[look][2]})


def _order(page: Page, url: str) -> None:
    """A bulk operation, so that there is one to look at."""
    page.goto(f"{url}/console/batches/?view=all")
    page.locator("[data-select-page]").check()
    page.locator("#bulk [value=reprioritise]").click()
    page.get_by_label("Priority").fill("20")
    page.get_by_label("Why?").fill("The quarterly report goes first")
    page.locator(".confirm .button.primary").click()
    page.get_by_role("link", name="Watch the operation").click()
    page.get_by_text("Done").first.wait_for()


def _take(page: Page, name: str) -> None:
    path = FOLDER / f"{name}.png"
    try:
        page.screenshot(path=path)
    except Error:
        page.screenshot(path=path)  # now and then Chromium cannot capture a page at once


if __name__ == "__main__":
    main()
