"""The extents of the suite: which tests a run has, and on which database each test runs.

`quick` is for each commit: the tests on SQLite that do not commit, listen or need a browser. `gate` is `make test`: every test
on SQLite, and the tests whose result can differ on PostgreSQL and Redis. `double` runs every test on both. `rest` has the tests
of `double` that `gate` leaves out. `proof` has the slowest tests as well. pyproject.toml describes the markers that change the
extent of a test.
"""

import ast
import inspect
import re
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
PRODUCT = ("batches", "config", "providers")

# Signs that the code of a module may behave differently on the other database or with the other broker.
SIGNS = re.compile(
    r"\bcursor\(|RawSQL|\.raw\(|\.extra\(|\bas_sql\b|\bFunc\(|\bCollate\b|\bCast\(|\bTrunc"  # SQL by hand
    r"|select_for_update|skip_locked|advisory|fcntl"  # locks
    r"|update_conflicts|ignore_conflicts|IntegrityError|OperationalError|DatabaseError"  # errors of a database
    r"|\.vendor\b|EMBEDDED|contrib\.postgres|psycopg|sqlite|\.explain\("  # a check which database it is
    r"|\bredis\b|Redis"
)

# Values in a test that not every database stores or compares: NUL, and numbers or times out of range.
ODDITIES = re.compile(r"\\0(?!\d)|\\x00|\\u0000|2\s?\*\*\s?6[34]|not every database")

DATABASE_FIXTURES = {"db", "transactional_db", "live_server"}
SLOW_FIXTURES = {"transactional_db", "live_server", "browser"}


class Extent(StrEnum):
    """How much of the suite runs. Each extent except `rest` has all tests of the extents before it."""

    QUICK = "quick"
    GATE = "gate"
    REST = "rest"
    DOUBLE = "double"
    PROOF = "proof"


def belongs(item: pytest.Item, *, extent: Extent, embedded: bool) -> bool:
    """Whether a test is part of a run of this extent on SQLite, or on PostgreSQL and Redis."""
    if extent == Extent.REST:
        in_double, in_gate = (belongs(item, extent=each, embedded=embedded) for each in (Extent.DOUBLE, Extent.GATE))
        return in_double and not in_gate
    if item.get_closest_marker("proof") and extent != Extent.PROOF:
        return False
    if is_long(item) and extent in (Extent.QUICK, Extent.GATE):
        return False
    if extent == Extent.QUICK and is_slow(item):
        return False
    if embedded:
        return not item.get_closest_marker("servers")
    if item.get_closest_marker("servers"):
        return True
    if not uses_database(item) or item.get_closest_marker("once"):
        return False
    if extent != Extent.GATE:
        return True
    return not item.get_closest_marker("alike") and (bool(item.get_closest_marker("both")) or can_differ(item))


def is_long(item: pytest.Item) -> bool:
    """Whether a test is left to the double run: tests marked `long`, and chaos tests without the marker `gate`."""
    chaos = item.path.is_relative_to(TESTS / "chaos") and not item.get_closest_marker("gate")
    return chaos or item.get_closest_marker("long") is not None


def uses_database(item: pytest.Item) -> bool:
    return item.get_closest_marker("django_db") is not None or bool(DATABASE_FIXTURES & _fixtures(item))


def is_slow(item: pytest.Item) -> bool:
    """Whether a test commits, listens, starts processes, drives a browser, or is marked `slow`."""
    marker = item.get_closest_marker("django_db")
    commits = marker is not None and bool(marker.kwargs.get("transaction"))
    starts = bool({"tests.processes", "tests.servers"} & imported(item.path))
    return commits or starts or bool(SLOW_FIXTURES & _fixtures(item)) or item.get_closest_marker("slow") is not None


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


# --- What can differ -----------------------------------------------------------------------------------------


def can_differ(item: pytest.Item) -> bool:
    """Whether the result of a test can differ: by its place in the tree, by the values it sends, or by the names it uses."""
    if stands_at_home(item.path) or differing_names(item.path) & _fixtures(item):
        return True
    return isinstance(item, pytest.Function) and _sends_or_uses(item.function, item.path)


@cache
def stands_at_home(test: Path) -> bool:
    """Whether a test module is in the place for tests of a product module with a sign."""
    return any(is_home(test, of=module) for module in signed())


@cache
def _sends_or_uses(function: Callable[..., object], test: Path) -> bool:
    """Whether the source of a test function has oddities or a name that can differ. Computed once for all of its cases."""
    source = inspect.getsource(function)
    return ODDITIES.search(source) is not None or bool(differing_names(test) & set(re.findall(r"\w+", source)))


@cache
def differing_names(test: Path) -> frozenset[str]:
    """The names in a test module whose behaviour can differ.

    These are names imported from a product module with a sign, names defined with oddities, and names defined by means of these.
    """
    text = test.read_text(encoding="utf-8")
    nodes = ast.parse(text).body
    found = {name for node in nodes for name in _imported_by(node)}
    defined = {
        node: ast.get_source_segment(text, node) or "" for node in nodes if not isinstance(node, ast.Import | ast.ImportFrom)
    }
    found |= {name for node, source in defined.items() if ODDITIES.search(source) for name in _defined_by(node)}
    while True:
        more = {name for node, source in defined.items() if found & set(re.findall(r"\w+", source)) for name in _defined_by(node)}
        if more <= found:
            return frozenset(found)
        found |= more


def _imported_by(node: ast.stmt) -> set[str]:
    """The names that an import binds to a product module with a sign, or to something of one."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return set()
    before = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    of_signed = [alias for alias in node.names if {before.rstrip("."), before + alias.name} & signed().keys()]
    return {alias.asname or alias.name.partition(".")[0] for alias in of_signed}


def _defined_by(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}


@cache
def signed() -> dict[str, str]:
    """The product modules in which something can differ, each with the first sign of it."""
    found = {}
    for folder in PRODUCT:
        for path in (ROOT / folder).rglob("*.py"):
            if "migrations" not in path.parts and (sign := SIGNS.search(path.read_text(encoding="utf-8"))):
                found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = sign[0]
    return found


def is_home(test: Path, *, of: str) -> bool:
    """Whether a test module is the place for tests of a product module: named after it, or in the folder of its package.

    `tests/services/lifecycle/test_claim.py` has the tests of `batches.services.lifecycle.claim`. The folder is the one with the
    name of the package, or the nearest one above.
    """
    *packages, name = of.removeprefix("batches.").split(".")
    folder = TESTS.joinpath(*packages)
    while not folder.is_dir():
        folder = folder.parent
    own = folder / f"test_{name}.py"
    return test == own if own.exists() or folder == TESTS else test.parent == folder


@cache
def imported(test: Path) -> frozenset[str]:
    """The modules that a test module imports, and the names that it imports from them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(test.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


# --- Processes -------------------------------------------------------------------------------------------------


def shared(item: pytest.Item) -> str | None:
    """The group of tests that share a portal or servers, by its name. They run in one process. None if nothing is shared."""
    info = getattr(item, "_fixtureinfo", None)
    fixtures = [definition for found in info.name2fixturedefs.values() for definition in found] if info else []
    if packages := [str(definition.baseid) for definition in fixtures if definition.scope == "package"]:
        return min(packages)
    return str(item.path) if any(definition.scope == "module" for definition in fixtures) else None
