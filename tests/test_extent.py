"""The house rule of the two databases: what can differ between them is proved on both in every `make test`."""

from pathlib import Path

import pytest

from tests.extent import TESTS, can_differ, imported, is_home, signed

MODULES = sorted(TESTS.rglob("test_*.py"))


def test_locks_sql_and_looks_at_the_database_are_found() -> None:
    found = signed()
    for module in (
        "batches.services.claim",  # locks
        "batches.queries.results",  # SQL
        "batches.models.bulk",  # looks at the vendor
        "batches.engine.limits.keeping",  # Redis
        "config.health",
    ):
        assert module in found
    assert "batches.states" not in found
    assert len(found) > 30


def test_every_module_that_can_differ_has_its_tests_in_both_sessions() -> None:
    homes = {module: [test for test in MODULES if is_home(test, of=module) or module in imported(test)] for module in signed()}
    assert [module for module, tests in homes.items() if not tests] == [], "give it tests, where its package's stand"
    assert [test for tests in homes.values() for test in tests if not can_differ(test)] == []


@pytest.mark.parametrize(
    ("test", "module", "stands"),
    [
        ("services/test_claim.py", "batches.services.claim", True),
        ("services/test_anything.py", "batches.services.claim", True),
        ("services/bulk/test_run.py", "batches.services.claim", False),
        ("services/bulk/test_run.py", "batches.services.bulk.run", True),
        ("services/test_prove.py", "batches.services.proof.rows", True),
        ("management/test_demo.py", "batches.management.commands.serve", True),
        ("providers/test_simulator.py", "providers.adapters.simulator", True),
        ("config/test_health.py", "config.health", True),
        ("test_wake.py", "batches.wake", True),
        ("test_states.py", "batches.wake", False),
        ("console/test_acts.py", "batches.services.claim", False),
    ],
)
def test_tests_stand_where_their_package_does(test: str, module: str, stands: bool) -> None:
    assert is_home(TESTS / test, of=module) is stands


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import batches.services.claim", {"batches.services.claim"}),
        ("from batches.services import claim", {"batches.services", "batches.services.claim"}),
        ("def f():\n    from config import health as h", {"config", "config.health"}),
    ],
)
def test_an_import_is_seen_in_any_spelling(tmp_path: Path, text: str, found: set[str]) -> None:
    module = tmp_path / "test_it.py"
    module.write_text(text)
    assert imported(module) == found


def test_what_not_every_database_stores_is_sent_to_both(tmp_path: Path) -> None:
    module = tmp_path / "test_it.py"
    for text, differs in (('send("a\\0b")', True), ('send("\\x00")', True), ("send(2**64)", True), ('send("a0b")', False)):
        module.write_text(text)
        can_differ.cache_clear()
        assert can_differ(module) is differs


def test_what_only_a_face_does_is_left_to_the_double_run() -> None:
    assert not can_differ(TESTS / "api/test_docs.py")
    assert not can_differ(TESTS / "test_jsonl.py")


def test_no_test_of_what_can_differ_is_kept_out_of_the_second_session() -> None:
    """`once` says that nothing differs. Where a module imports what can differ, only a browser test may say so."""
    once = [test for test in MODULES if "mark.once" in test.read_text() and imported(test) & signed().keys()]
    assert [str(test.relative_to(TESTS)) for test in once if test.parent.name not in ("browser", "admin")] == []
