"""What is wrong with the looks of a page: text that is too faint, a page wider than its window, serious findings of axe."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (320, 640, 1024, 1360, 1920)
SERIOUS = ("serious", "critical")

# Every text that can be seen and whose contrast with what is behind it is under 4.5: stricter than axe's own rule, which is
# therefore left out.
TOO_FAINT = (Path(__file__).parent / "contrast.js").read_text()
OPTIONS = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}


def findings(page: Page, addresses: Iterable[str]) -> list[tuple[str, str, object]]:
    """Look at pages in light and dark, narrow and wide. Each finding: the address, how it was looked at, and what is wrong."""
    axe = Axe()
    found: list[tuple[str, str, object]] = []
    for address in addresses:
        page.goto(address)
        for scheme, width in zip(SCHEMES, (1280, 320), strict=True):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            found += [(address, scheme, faint) for faint in page.evaluate(TOO_FAINT)]
            violations = axe.run(page, options=OPTIONS).response["violations"]
            serious = [(one["id"], one["nodes"][0]["html"][:200]) for one in violations if one["impact"] in SERIOUS]
            found += [(address, scheme, one) for one in serious]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                found.append((address, f"{width} px", "wider than its window"))
    return found
