"""`python -m tests.audit`: looks for known vulnerabilities of the packages of production. A part of `make check`.

One request sends the versions in the lock to OSV, the database of open source vulnerabilities. If OSV cannot be reached, the
audit says so and passes, so that a change does not wait for the network. An advisory that does not concern the portal is listed
in IGNORED, with the reason.
"""

import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements.lock"
SERVICE = "https://api.osv.dev/v1/querybatch"
SECONDS = 10.0
IGNORED: dict[str, str] = {}  # the reasons, by advisory


def pinned(lock: str) -> Iterator[tuple[str, str]]:
    """The names and versions that a lock pins."""
    yield from re.findall(r"^([\w.\-]+)==([^\s;\\]+)", lock, re.MULTILINE)


def advisories(packages: list[tuple[str, str]], *, service: str) -> dict[str, list[str]]:
    """The advisories about each package, by `name==version`. Raises OSError if the service cannot be reached."""
    asked = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in packages]
    body = json.dumps({"queries": asked}).encode()
    request = urllib.request.Request(service, body, {"Content-Type": "application/json"})  # noqa: S310 - a URL of our own
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        found: list[Any] = json.load(answer)["results"]
    named = zip(packages, found, strict=True)
    return {
        f"{name}=={version}": known
        for (name, version), result in named
        if (known := [each["id"] for each in result.get("vulns", ()) if each["id"] not in IGNORED])
    }


def main(service: str = SERVICE) -> int:
    packages = list(pinned(LOCK.read_text()))
    try:
        found = advisories(packages, service=service)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"audit: not done, because the database of vulnerabilities did not answer ({type(error).__name__}).")
        return 0
    for package, known in found.items():
        print(f"audit: {package} is known to be vulnerable: {', '.join(known)}")
    if not found:
        print(f"audit: nothing is known against the {len(packages)} packages of {LOCK.name}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
