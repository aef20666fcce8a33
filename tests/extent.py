"""How much of the suite a run takes, and which of its tests run on which database.

`quick` is what a developer runs before each commit: on SQLite, without what commits, listens or needs a browser. `gate`
is `make test`: everything on SQLite, and on PostgreSQL and Redis what can differ there. `double` is everything on both, and
`rest` what it has and the gate has not; `proof` has what takes long as well. The markers that change a test's place are
described in pyproject.toml.
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

# What a module has that may do something else on the other database or with the other broker.
SIGNS = re.compile(
    r"\bcursor\(|RawSQL|\.raw\(|\.extra\(|\bas_sql\b|\bFunc\(|\bCollate\b|\bCast\(|\bTrunc"  # SQL that is written by hand
    r"|select_for_update|skip_locked|advisory|fcntl"  # locks
    r"|update_conflicts|ignore_conflicts|IntegrityError|OperationalError|DatabaseError"  # what a database refuses
    r"|\.vendor\b|EMBEDDED|contrib\.postgres|psycopg|sqlite|\.explain\("  # a look at which it is
    r"|\bredis\b|Redis"
)

# What a test sends that not every database stores or compares: NUL, a number or a moment out of range.
ODDITIES = re.compile(r"\\0(?!\d)|\\x00|\\u0000|2\s?\*\*\s?6[34]|not every database")

DATABASE_FIXTURES = {"db", "transactional_db", "live_server"}
SLOW_FIXTURES = {"transactional_db", "live_server", "browser"}


class Extent(StrEnum):
    """How much of the suite runs; each but `rest` has what those before it have."""

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
    return extent != Extent.GATE or bool(item.get_closest_marker("both")) or can_differ(item)


def is_long(item: pytest.Item) -> bool:
    """Whether a test is left to the double run: what says so, and chaos, but for those of it that stand for the others."""
    chaos = item.path.is_relative_to(TESTS / "chaos") and not item.get_closest_marker("gate")
    return chaos or item.get_closest_marker("long") is not None


def uses_database(item: pytest.Item) -> bool:
    return item.get_closest_marker("django_db") is not None or bool(DATABASE_FIXTURES & _fixtures(item))


def is_slow(item: pytest.Item) -> bool:
    """Whether a test commits, listens, starts processes or drives a browser, or says that it is slow."""
    marker = item.get_closest_marker("django_db")
    commits = marker is not None and bool(marker.kwargs.get("transaction"))
    starts = bool({"tests.processes", "tests.servers"} & imported(item.path))
    return commits or starts or bool(SLOW_FIXTURES & _fixtures(item)) or item.get_closest_marker("slow") is not None


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


# --- What can differ -----------------------------------------------------------------------------------------


def can_differ(item: pytest.Item) -> bool:
    """Whether a test is about what can differ: by where it stands, by what it sends, or by what it uses."""
    if stands_at_home(item.path) or differing_names(item.path) & _fixtures(item):
        return True
    return isinstance(item, pytest.Function) and _sends_or_uses(item.function, item.path)


@cache
def stands_at_home(test: Path) -> bool:
    """Whether a test module stands where the tests of a product module with a sign stand."""
    return any(is_home(test, of=module) for module in signed())


@cache
def _sends_or_uses(function: Callable[..., object], test: Path) -> bool:
    """Whether the lines of a test function, or its cases, have oddities or such a name. Asked once for all of its cases."""
    source = inspect.getsource(function)
    return ODDITIES.search(source) is not None or bool(differing_names(test) & set(re.findall(r"\w+", source)))


@cache
def differing_names(test: Path) -> frozenset[str]:
    """The names of a test module that stand for what can differ.

    What it imports from a product module with a sign, what it defines with oddities, and what it defines by such names.
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
    """Whether tests of a module stand here: in the file that is called after it, or else anywhere in the folder of its package.

    `tests/services/lifecycle/test_claim.py` has those of `batches.services.lifecycle.claim`.
    The folder is the one that is called as the package is, or is nearest to that.
    """
    *packages, name = of.removeprefix("batches.").split(".")
    folder = TESTS.joinpath(*packages)
    while not folder.is_dir():
        folder = folder.parent
    own = folder / f"test_{name}.py"
    return test == own if own.exists() or folder == TESTS else test.parent == folder


@cache
def imported(test: Path) -> frozenset[str]:
    """The modules that a test module imports, and what it imports from them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(test.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


# --- Who runs it -----------------------------------------------------------------------------------------------


def shared(item: pytest.Item) -> str | None:
    """What a test shares with its neighbours (a module's portal, a package's servers): they stay in one process."""
    info = getattr(item, "_fixtureinfo", None)
    fixtures = [definition for found in info.name2fixturedefs.values() for definition in found] if info else []
    if packages := [str(definition.baseid) for definition in fixtures if definition.scope == "package"]:
        return min(packages)
    return str(item.path) if any(definition.scope == "module" for definition in fixtures) else None
