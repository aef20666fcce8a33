"""The pages that explain the project: the links, files, commands and settings that they name are those of the tree."""

import argparse
import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from batches.rules.states import MOVES
from tests.benchmarks.__main__ import COMMANDS as BENCHMARKS
from tests.test_house import ROOT, TOP_LEVEL, configuration, sources, tracked

MAX_LINES = 150  # of README.md
OUR_COMMANDS = {path.stem for path in (ROOT / "batches/management/commands").glob("[a-z]*.py")}
TOYS = ("acme",)  # what CONTRIBUTING.md has its reader add
SUFFIXES = (".py", ".md", ".toml", ".yaml", ".html", ".txt", ".lock", ".css", ".js")


@cache
def pages() -> dict[str, str]:
    """Every page, by its name."""
    return {str(path.relative_to(ROOT)): path.read_text() for path in tracked() if path.suffix == ".md"}


every_page = pytest.mark.parametrize("page", sorted(pages()))


def blocks(text: str, *, language: str) -> list[str]:
    """The code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """What stands in backticks, and the lines of shell blocks."""
    found = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [" ".join(span.split()) for span in found] + [
        line for block in blocks(text, language="sh") for line in block.replace("\\\n", " ").splitlines()
    ]


def anchors(text: str) -> set[str]:
    """What a link may name behind #: headings, in the way of the places that show Markdown."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- Links, files, modules --------------------------------------------------------------------------------------


@every_page
def test_every_link_leads_somewhere(page: str) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", pages()[page]):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
            broken.append(target)
    assert broken == []


@every_page
def test_every_file_that_is_named_is_there(page: str) -> None:
    folder = (ROOT / page).parent
    named = {span.rstrip("/") for span in spans(pages()[page]) if is_file(span)}
    missing = [
        name
        for name in sorted(named)
        if not (ROOT / name).exists() and not (folder / name).exists() and ("/" in name or not is_below(folder, name))
    ]
    assert missing == []


def is_below(folder: Path, name: str) -> bool:
    """Whether the tree has a file or a folder of this name in or below a folder."""
    inside = [path.relative_to(folder) for path in tracked() if path.is_relative_to(folder)]
    return any(name in path.parts for path in inside)


def is_file(span: str) -> bool:
    """Whether a code span names a file or a folder of the tree."""
    if not re.fullmatch(r"[\w.\-/]+", span) or span.startswith("/") or any(toy in span for toy in TOYS):
        return False
    return (span.partition("/")[0] in TOP_LEVEL and "/" in span) or span.endswith(SUFFIXES)


@every_page
def test_every_module_that_is_run_is_there(page: str) -> None:
    named = {name for span in spans(pages()[page]) for name in re.findall(r"-m (tests[\w.]*)", span)}
    assert [name for name in named if find_spec(name) is None] == []


@every_page
def test_every_constant_that_is_named_stands_in_the_code(page: str) -> None:
    code = "\n".join(path.read_text() for path in tracked() if path.suffix in {".py", ".yaml"} or path.name == "Makefile")
    named = {name for span in spans(pages()[page]) for name in re.findall(r"\b[A-Z]{3,}(?:_[A-Z0-9]+)+\b", span)}
    known = re.compile(rf"\b(?:{'|'.join(named) or 'none'})\b")
    files = {f"{name}_FILE" for name in re.findall(r'secret\(\s*"(\w+)"', code)}
    unknown = named - set(known.findall(code)) - files
    # Proxies and credentials of an upstream are the environment's and the operator's own.
    assert {name for name in unknown if not name.startswith("BATCHYARD_CREDENTIAL_")} == set()


def test_the_front_page_is_short() -> None:
    assert len(pages()["README.md"].splitlines()) <= MAX_LINES


# --- Commands ---------------------------------------------------------------------------------------------------


def targets() -> dict[str, str]:
    """The targets of the Makefile that people call, each with what `make help` says of it."""
    rules = re.findall(r"^([a-z][a-z-]*):(?!.*\bexport\b)([^#\n]*)(?:## (.*))?$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {name: help_text for name, _, help_text in rules}


def test_make_help_tells_of_every_target() -> None:
    assert len(targets()) > 10
    assert [name for name, help_text in targets().items() if not help_text.endswith(".")] == []
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(targets())


def test_every_target_that_is_named_is_there() -> None:
    found = {page: spans(text) for page, text in pages().items()}
    for path in tracked():
        if ".github" in path.parts or path.parent.name == ".ci" or path.name == ".pre-commit-config.yaml":
            found[path.name] = [line.partition("#")[0] for line in path.read_text().splitlines()]
    named = {
        (page, name) for page, lines in found.items() for line in lines for name in re.findall(r"\bmake ([a-z][a-z-]*)", line)
    }
    assert len(named) > 20
    assert {(page, name) for page, name in named if name not in targets()} == set()


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command that is named, with `manage.py` before it or without."""
    for span in spans(text):
        before, called, words = span.rpartition("manage.py ")
        if called or span.partition(" ")[0] in OUR_COMMANDS - {"version", "demo", "stop"}:
            yield re.split(r"\s+", words if called else before + span)


@every_page
def test_every_command_is_one_with_its_verbs_and_options(page: str) -> None:
    wrong = []
    for words in commands(pages()[page]):
        name = words[0].strip(",;.")
        if name == "…":
            continue
        if name not in get_commands():
            wrong.append(words)
            continue
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        options, verbs = set(parser._option_string_actions), set[str]()
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                verbs |= set(action.choices)
                options |= {option for verb in action.choices.values() for option in verb._option_string_actions}
            elif action.choices and not action.option_strings:
                verbs |= set(action.choices)
        if verbs and len(words) > 1 and words[1].isalpha() and words[1] not in verbs:
            wrong.append(words)
        if unknown := set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", " ".join(words))) - options:
            wrong.append([*words, f"unknown: {unknown}"])
    assert wrong == []


def test_every_command_is_in_a_readme() -> None:
    assert {name for name in OUR_COMMANDS if f"manage.py {name}" not in pages()["config/README.md"]} == set()


def test_every_benchmark_is_in_a_readme() -> None:
    assert {name for name in BENCHMARKS if f"`{name}`" not in pages()["tests/README.md"]} == set()


# --- Settings ---------------------------------------------------------------------------------------------------

UNITS = {"MiB": 1024**2, "GiB": 1024**3, "s": 1, "min": 60, "h": 3600, "day": 86_400, "days": 86_400}
# Defaults that are no constants, and how the table tells of them.
DECIDED = dict.fromkeys(("CREDENTIAL_KEYS", "SECRET_KEY"), "generated") | {
    "ALLOWED_HOSTS": "names of this machine",
    "BATCHYARD_DATA": "`.data`",
    "RETENTION_BOUNDS": "`audit:90-`",
    "CREDENTIAL_KEYS": "generated",
    "DRAIN_SECONDS": "0 embedded, else 3 s",
    "EXECUTORS": "1 embedded, else 2",
    "TRUST_PROXY": "with an `https` `PUBLIC_URL`",
}


def settings() -> dict[str, ast.expr | None]:
    """Every variable that the settings read, with the expression of its default; none where there is no default."""
    found: dict[str, ast.expr | None] = {}
    for path in sorted((ROOT / "config/settings").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            reader = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
            if reader in {"knob", "secret", "kept_secret", "os.environ.get"}:
                found[str(node.args[0].value)] = node.args[2] if reader == "knob" else None
    return found


def documented_settings() -> dict[str, str]:
    """Every variable of the tables in config/README.md, with the default that the table names."""
    section = pages()["config/README.md"].partition("\n## Settings\n")[2]
    return dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| (.*?) \| .+ \|$", section, re.MULTILINE))


def documented_value(documented: str) -> object:
    """The value that a table tells: `512 MiB`, `1 h`, `50,000`, `on`, `-`, or a text in backticks."""
    words = documented.strip("`").split(" ")
    if documented in {"-", "on", "yes", "no", "off"}:
        return {"-": None, "on": True, "yes": True, "no": False, "off": False}[documented]
    if not documented.startswith("`") and re.fullmatch(r"[\d,]+(\.\d+)?", words[0]):
        return float(words[0].replace(",", "")) * (UNITS[words[1]] if len(words) > 1 else 1)
    return documented.strip("`")


def test_every_setting_stands_in_its_table_with_its_default() -> None:
    documented, read = documented_settings(), settings()
    assert len(documented) > 90
    assert read.keys() - documented.keys() == set()
    assert {name: documented[name] for name in DECIDED} == DECIDED
    constants = {name: default for name, default in read.items() if name not in DECIDED}
    assert {
        name: documented[name] for name, default in constants.items() if documented_value(documented[name]) != value_of(default)
    } == {}


def value_of(default: ast.expr | None) -> object:
    """The value of a default of numbers, texts and lists, as a table can tell it."""
    if default is None:
        return None
    value = eval(compile(ast.Expression(default), "settings", "eval"), {})  # noqa: S307 - our own source
    return None if value in (None, "", [], {}) else ",".join(value) if isinstance(value, list) else value


def test_no_table_tells_of_a_setting_that_there_is_not() -> None:
    assert documented_settings().keys() - settings().keys() == set()


# --- Words, code, versions --------------------------------------------------------------------------------------


def test_every_word_of_the_glossary_is_used_by_the_code() -> None:
    section = pages()["batches/README.md"].partition("\n## Glossary\n")[2].partition("\n## How to add\n")[0]
    words = [
        word for cell in re.findall(r"^\| (\*\*.*?) \|", section, re.MULTILINE) for word in re.findall(r"\*\*(.+?)\*\*", cell)
    ]
    code = "\n".join(text for _, text in sources()).lower()
    unused = [word for word in words if not re.search(word.lower().replace(" ", "[ _]?"), code)]
    assert len(words) > 60
    assert unused == []


def test_the_picture_of_a_batchs_life_has_every_move_and_no_other() -> None:
    (picture,) = blocks(pages()["batches/README.md"], language="mermaid")
    drawn = set(re.findall(r"(\w+) --> (\w+)", picture))
    assert drawn == {(origin.value, to.value) for origin, moves in MOVES.items() for to in moves}


def test_the_map_has_every_room_of_the_services() -> None:
    section = pages()["batches/README.md"].partition("| Room of `batches/services/` ")[2].partition("\n## ")[0]
    documented = {room for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for room in re.findall(r"`(\w+)`", cell)}
    assert documented == {path.parent.name for path in (ROOT / "batches/services").glob("*/__init__.py")}


def test_the_code_that_contributing_md_has_its_reader_write_fits_the_tree() -> None:
    found = blocks(pages()["CONTRIBUTING.md"], language="python")
    missing = []
    for block in found:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and not any(toy in node.module for toy in TOYS):
                module = import_module(node.module)
                missing += [
                    f"{node.module}.{name.name}"
                    for name in node.names
                    if name.name not in TOYS and not hasattr(module, name.name) and not find_spec(f"{node.module}.{name.name}")
                ]
    assert len(found) >= 7
    assert missing == []


def test_the_version_is_the_latest_release_or_on_the_way_to_the_next_one() -> None:
    version = configuration()["project"]["version"]
    headings = re.findall(r"^## (\S+)", pages()["CHANGELOG.md"], re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]

    assert re.search(r"^## 0\.1\.0\n\nCommit `3bd9990`", pages()["CHANGELOG.md"], re.MULTILINE)
    assert version == released[0] or (".dev" in version and headings[0] == "Unreleased" and version > released[0])
