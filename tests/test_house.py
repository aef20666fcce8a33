"""The house: what holds for the tree as a whole, and what no tool of the gate looks at."""

import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
TOP_LEVEL = {
    ".ci",
    ".github",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "batches",
    "config",
    "manage.py",
    "providers",
    "pyproject.toml",
    "requirements.lock",
    "static",
    "templates",
    "tests",
}
LOCKS = ("requirements.lock", "tests/requirements.lock")
MAX_PYTHON_LINES = 300
MAX_TEMPLATE_LINES = 150
MAX_MODULES = 12
WHOLE = {"batches/models", "batches/management/commands"}  # one table a file; and the one folder where Django looks for commands

# Put together from pieces, so that this file passes too.
REGISTRIES = re.compile(
    "|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(org|com)", r"deb\." + "debian", "--" + "index-url"))
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:" + "work" + "|" + "root" + "|" + "home" + r")/\w")


@cache
def tracked() -> list[Path]:
    """The files of the repository, those to be added included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    """Every text file: its name and what is in it."""
    for path in tracked():
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def sources() -> Iterator[tuple[str, str]]:
    """The portal's own Python files, without migrations and tests."""
    for name, text in texts():
        if name.endswith(".py") and name.startswith(("batches/", "config/", "providers/")) and "/migrations/" not in name:
            yield name, text


def configuration() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_there_is_no_other_top_level_folder() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL


@pytest.mark.parametrize("forbidden", [REGISTRIES, MACHINE_PATHS], ids=["registry", "machine path"])
def test_no_file_names_a_registry_or_a_path_of_one_machine(forbidden: re.Pattern[str]) -> None:
    assert {name: match[0] for name, text in texts() if (match := forbidden.search(text))} == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_versions_and_digests_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert "://" not in text
    assert len(pins(lock)) == sum(line[0] not in " #" for line in text.splitlines()) > 20
    assert all(f"{pin} \\\n    --hash=sha256:" in text for pin in pins(lock))


def pins(lock: str) -> set[str]:
    """What a lock pins, as `name==version`, markers included."""
    return set(re.findall(r"^([\w.\-]+==.*?) \\$", (ROOT / lock).read_text(), re.MULTILINE))


def test_the_tests_run_on_the_versions_that_production_runs_on() -> None:
    production, development = map(pins, LOCKS)

    assert len(production) > 20
    assert production <= development


def test_every_dependency_is_locked() -> None:
    project = configuration()["project"]
    named = {re.split(r"[\[<>=; ]", text)[0] for text in project["dependencies"] + project["optional-dependencies"]["s3"]}

    assert named <= set(re.findall(r"^([\w.\-]+)==", (ROOT / LOCKS[0]).read_text(), re.MULTILINE))


def test_the_import_rule_names_every_dialect_and_every_way_in() -> None:
    layers = next(contract for contract in configuration()["tool"]["importlinter"]["contracts"] if contract["id"] == "downwards")[
        "layers"
    ]
    ways_in = set(re.findall(r"[\w.]+", layers[1]))
    dialects = {f"batches.dialects.{path.parent.name}" for path in (ROOT / "batches/dialects").glob("*/__init__.py")}

    assert dialects - {"batches.dialects.shared"} <= ways_in
    assert {"batches.admin", "batches.api", "batches.console", "batches.management"} <= ways_in


def test_nothing_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}

    assert [name for name, _ in texts() if drawers & set(Path(name).with_suffix("").parts)] == []


def test_files_can_be_read_in_one_sitting() -> None:
    python = {
        name: lines
        for name, text in texts()
        if name.endswith(".py") and "/migrations/" not in name and (lines := text.count("\n")) > MAX_PYTHON_LINES
    }
    templates = {
        name: lines
        for name, text in texts()
        if name.startswith("templates/") and (lines := text.count("\n")) > MAX_TEMPLATE_LINES
    }

    assert python | templates == {}


def test_a_room_holds_a_dozen_modules_at_most() -> None:
    rooms = Counter(str(Path(name).parent) for name, _ in sources() if not name.endswith("__init__.py"))

    assert {room: modules for room, modules in rooms.items() if modules > MAX_MODULES and room not in WHOLE} == {}


def test_models_hide_nothing_in_signals_or_in_save() -> None:
    signals = re.compile(r"django\.db\.models(?:\.| import )signals")
    overrides = re.compile(r"^    def (?:save|delete)\(", re.MULTILINE)

    assert [name for name, text in sources() if signals.search(text)] == []
    assert [name for name, text in sources() if "/models" in name and overrides.search(text)] == []


def test_every_package_says_what_it_owns_and_where_to_begin() -> None:
    packages = {name: text for name, text in texts() if name.endswith("__init__.py") and "/migrations/" not in name}
    silent = [name for name, text in packages.items() if not text.startswith('"""') and not name.startswith("tests/")]

    assert len(packages) > 100
    assert silent + [name for name in ("tests/__init__.py", "tests/chaos/__init__.py") if not packages[name]] == []


def test_only_transition_moves_a_batch() -> None:
    moves = re.compile(r"\b(?:batch|self)\.status = |Batch\.objects[^\n]*\.update\([^)]*\bstatus=")

    assert [name for name, text in sources() if moves.search(text)] in ([], ["batches/services/core/transition.py"])


def test_only_services_write_and_those_that_answer_questions_do_not() -> None:
    writes = re.compile(r"\.objects\b[^\n]*\.(?:create|bulk_create|get_or_create|update_or_create|update|delete)\(|\.save\(\)")
    faces = ("filters", "dialects", "api", "console", "management", "templatetags")
    readers = (*(f"batches/{face}/" for face in faces), "batches/rules/", "batches/services/results/")

    assert [name for name, text in sources() if name.startswith(readers) and writes.search(text)] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name, text in sources() if text.strip() and not text.startswith('"""') and not name.endswith("apps.py")]

    assert silent == []


def test_every_path_in_security_md_leads_somewhere() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    chapters = re.findall(r"^\| (V\d+) .* \| .* \| (.*) \|$", text, re.MULTILINE)
    paths = {path for _, where in chapters for path in re.findall(r"\]\(([^)]+)\)", where)}

    assert [chapter for chapter, _ in chapters] == [f"V{number}" for number in range(1, 18)]
    assert [chapter for chapter, where in chapters if "](tests/" not in where] == ["V17"]
    assert {path for path in paths if not (ROOT / path).exists()} == set()
    assert "(SECURITY.md)" in (ROOT / "README.md").read_text()
