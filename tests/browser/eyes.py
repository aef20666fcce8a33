"""What is wrong with the looks of a page: text too faint, columns cut, a page wider than its window, serious findings of axe."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = (320, 390, 640, 1024, 1360, 1920)
SERIOUS = ("serious", "critical")

# Every text that can be seen and whose contrast with what is behind it is under 4.5: stricter than axe's own rule, which is
# therefore left out.
TOO_FAINT = (Path(__file__).parent / "contrast.js").read_text()
CUT = (Path(__file__).parent / "cut.js").read_text()
# Without `preload`, for which axe adds styles of its own, so that the page's security policy reports them.
OPTIONS = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}, "preload": False}


def findings(page: Page, addresses: Iterable[str]) -> list[tuple[str, str, object]]:
    """Look at pages in light and dark, narrow and wide. Each finding: the address, how it was looked at, and what is wrong."""
    axe = Axe()
    found: list[tuple[str, str, object]] = []
    for address in addresses:
        page.goto(address)
        for scheme, width in zip(SCHEMES, (1280, 320), strict=True):
            found += [(address, scheme, flaw) for flaw in _flaws(page, axe, scheme, width)]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            found += [(address, f"{width} px", flaw) for flaw in _too_wide(page)]
    return found


def looked_at(page: Page, addresses: Iterable[str], *, scheme: Scheme, width: int) -> list[tuple[str, object]]:
    """Look at pages in one scheme and at one width. Each finding: the address, and what is wrong."""
    axe = Axe()
    found: list[tuple[str, object]] = []
    for address in addresses:
        page.goto(address)
        found += [(address, flaw) for flaw in (*_flaws(page, axe, scheme, width), *_too_wide(page))]
    return found


def _flaws(page: Page, axe: Any, scheme: Scheme, width: int) -> list[object]:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    violations = axe.run(page, options=OPTIONS).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"][:200]) for one in violations if one["impact"] in SERIOUS]
    return [*page.evaluate(TOO_FAINT), *serious]


def _too_wide(page: Page) -> list[object]:
    cut: list[object] = [f"cut: {each}" for each in page.evaluate(CUT)]
    return ["wider than its window", *cut] if page.evaluate("document.documentElement.scrollWidth > window.innerWidth") else cut
