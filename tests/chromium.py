"""The browser of the browser tests: an installed Chromium, else one that this machine can get.

The headless shell is Chromium without the browser around the page. It comes first: it costs a third of the CPU time.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core", "fonts-liberation")


class NoBrowser(Exception):
    """A browser that the tests need cannot be had."""


def executable() -> str:
    """The path of a Chromium: CHROMIUM, else an installed one, else the one that Playwright has downloaded."""
    if path := os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None):
        return path
    with sync_playwright() as playwright:
        downloaded = playwright.chromium.executable_path
    if Path(downloaded).exists():
        return downloaded
    raise NoBrowser(
        "The browser tests need Chromium: run `apt-get install chromium-headless-shell` as root, or name a browser in CHROMIUM."
    )


def ensure() -> str:
    """The path of a Chromium, which is installed first if there is none. Raises NoBrowser."""
    try:
        return executable()
    except NoBrowser:
        for command in _ways_to_install():
            if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
                break
        return executable()


def _ways_to_install() -> list[list[str]]:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        return [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]]
    return [[sys.executable, "-m", "playwright", "install", "chromium"]]
