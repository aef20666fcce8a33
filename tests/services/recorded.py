"""Which functions of the services leave a record, and which of them write: read from the source, without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SERVICES = ROOT / "batches" / "services"
FACES = tuple(ROOT / "batches" / name for name in ("console", "admin", "api", "management", "dialects"))
# The functions that write an audit entry or an event of a batch's timeline.
RECORDERS = frozenset(
    {
        ("batches.services.core.audit", "record_act"),
        ("batches.services.core.audit", "record_acts"),
        ("batches.services.core.audit", "record_refusal"),
        ("batches.services.core.transition", "record"),
    }
)
WRITING = frozenset({"save", "create", "update", "delete", "update_or_create", "get_or_create", "bulk_create", "insert"})
WRITING |= {"create_user", "create_superuser", "set_password"}

Function = tuple[str, str]  # a module and a name in it


@dataclass
class Module:
    """What a module defines, and what its names stand for."""

    functions: dict[str, list[ast.AST]] = field(default_factory=dict)  # a class stands for all of its methods
    names: dict[str, Function] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def module(path: Path) -> Module:
    """The module of a file, as far as calls are concerned."""
    found, own = Module(), name_of(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("batches.services"):
            for alias in node.names:
                bound, inner = alias.asname or alias.name, f"{node.module}.{alias.name}"
                if inner in services():
                    found.modules[bound] = inner
                else:
                    found.names[bound] = (str(node.module), alias.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.functions.setdefault(node.name, []).append(node)
            found.names.setdefault(node.name, (own, node.name))
    return found


@cache
def services() -> dict[str, Path]:
    return {name_of(path): path for path in SERVICES.rglob("*.py")}


@cache
def called(function: Function) -> frozenset[Function]:
    """The functions of the services that a function names."""
    path = services().get(function[0])
    return frozenset(_named(module(path), module(path).functions.get(function[1], []))) if path else frozenset()


def _named(where: Module, nodes: list[ast.AST]) -> Iterator[Function]:
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Name) and node.id in where.names:
            yield where.names[node.id]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in where.modules:
            yield where.modules[node.value.id], node.attr


def reached(function: Function) -> set[Function]:
    """A function with everything of the services that it may call."""
    found, open_ones = {function}, [function]
    while open_ones:
        for other in called(open_ones.pop()) - found:
            found.add(other)
            open_ones.append(other)
    return found


def leaves_record(function: Function) -> bool:
    return bool(reached(function) & RECORDERS)


def writes(function: Function) -> bool:
    """Whether a function, or one that it may call, writes rows."""
    return any(_writes_itself(each) for each in reached(function))


@cache
def _writes_itself(function: Function) -> bool:
    path = services().get(function[0])
    nodes = module(path).functions.get(function[1], []) if path else []
    calls = (inner for outer in nodes for inner in ast.walk(outer) if isinstance(inner, ast.Call))
    return any(isinstance(call.func, ast.Attribute) and call.func.attr in WRITING for call in calls)


def acting() -> Iterator[Function]:
    """The functions that take an actor: by the rule of the house, those that move a state."""
    for name, path in services().items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and "actor" in {each.arg for each in (*node.args.args, *node.args.kwonlyargs)}:
                yield name, node.name


def used_by_faces() -> set[Function]:
    """What pages, calls, commands and the admin import from the services."""
    used = set()
    for path in (path for face in FACES for path in face.rglob("*.py")):
        here = module(path)
        used |= {function for function in here.names.values() if function[0] in services()}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in here.modules:
                used.add((here.modules[node.value.id], node.attr))
    return used
