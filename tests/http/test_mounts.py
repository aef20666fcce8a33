"""Which dialect answers for a path."""

import pytest

from batches.http import mounts
from batches.http.mounts import Mount, mount, owner
from batches.rules.errors import PortalError


def render(error: PortalError, request_id: str) -> dict[str, str]:
    return {"said": error.message}


OUTER = Mount(bases={"x": "/outer"}, render_error=render, prefixes=("/outer", "/stray"))
INNER = Mount(bases={"x": ""}, render_error=render, prefixes=("/outer/inner/deep",))
SHARED = Mount(bases={"x": ""}, render_error=render, prefixes=("/outer/shared",), recognises=lambda headers: "Whose" in headers)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """These dialects and no others."""
    monkeypatch.setattr(mounts, "_by_prefix", {})
    mount(OUTER)
    mount(INNER)
    mount(SHARED)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/outer", OUTER),
        ("/outer/", OUTER),
        ("/outer/inner", OUTER),
        ("/outer/inner/deeper", OUTER),
        ("/outer/inner/deep", INNER),
        ("/outer/inner/deep/x", INNER),
        ("//outer//inner///deep/x", INNER),
        ("/stray/x", OUTER),
        ("/outerx", None),
        ("/x/outer", None),
        ("/", None),
        ("", None),
        ("outer", None),
    ],
)
def test_the_longest_prefix_in_whole_segments_decides(path: str, expected: Mount | None) -> None:
    assert owner(path, {}) is expected


def test_a_prefix_that_is_shared_is_told_by_a_header() -> None:
    assert owner("/outer/shared/x", {"Whose": "mine"}) is SHARED
    assert owner("/outer/shared/x", {}) is OUTER
    assert owner("/outer/other", {"Whose": "mine"}) is OUTER
