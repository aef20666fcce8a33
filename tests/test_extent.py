"""The house rule of the two databases: what can differ between them is proved on both in every `make test`."""

from pathlib import Path

import pytest

from tests.extent import TESTS, can_differ, imported, is_home, is_odd, signed

MODULES = sorted(TESTS.rglob("test_*.py"))


def test_locks_sql_and_looks_at_the_database_are_found() -> None:
    found = signed()
    for module in (
        "batches.services.lifecycle.claim",  # locks
        "batches.services.results.results",  # SQL
        "batches.models.bulk",  # looks at the vendor
        "batches.engine.limits.keeping",  # Redis
        "config.answers.health",
    ):
        assert module in found
    assert "batches.rules.states" not in found
    assert len(found) > 30


def test_every_module_that_can_differ_has_its_tests_in_both_sessions() -> None:
    homes = {module: [test for test in MODULES if is_home(test, of=module) or module in imported(test)] for module in signed()}
    assert [module for module, tests in homes.items() if not tests] == [], "give it tests, where its package's stand"
    assert [test for tests in homes.values() for test in tests if not can_differ(test)] == []


@pytest.mark.parametrize(
    ("test", "module", "stands"),
    [
        ("services/lifecycle/test_claim.py", "batches.services.lifecycle.claim", True),
        ("services/lifecycle/test_settle.py", "batches.services.lifecycle.claim", False),
        ("services/lifecycle/test_anything.py", "batches.services.lifecycle.without_a_file", True),
        ("services/bulk/test_run.py", "batches.services.lifecycle.claim", False),
        ("services/bulk/test_run.py", "batches.services.bulk.run", True),
        ("services/consistency/test_verify.py", "batches.services.consistency.rows", True),
        ("management/test_demo.py", "batches.management.commands.serve", True),
        ("providers/test_simulator.py", "providers.online.simulator.adapter", True),
        ("config/test_health.py", "config.answers.health", True),
        ("services/core/test_wake.py", "batches.services.core.wake", True),
        ("rules/test_states.py", "batches.services.core.wake", False),
        ("console/test_acts.py", "batches.services.lifecycle.claim", False),
    ],
)
def test_tests_stand_where_their_package_does(test: str, module: str, stands: bool) -> None:
    assert is_home(TESTS / test, of=module) is stands


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import batches.services.lifecycle.claim", {"batches.services.lifecycle.claim"}),
        ("from batches.services.lifecycle import claim", {"batches.services.lifecycle", "batches.services.lifecycle.claim"}),
        ("def f():\n    from config import health as h", {"config", "config.answers.health"}),
    ],
)
def test_an_import_is_seen_in_any_spelling(tmp_path: Path, text: str, found: set[str]) -> None:
    module = tmp_path / "test_it.py"
    module.write_text(text)
    assert imported(module) == found


def test_what_not_every_database_stores_is_sent_to_both(request: pytest.FixtureRequest) -> None:
    here = [item for item in request.session.items if item.path == Path(__file__) and isinstance(item, pytest.Function)]
    odd = {item.originalname for item in here if is_odd(item)} - {request.function.__name__}
    assert odd == {
        "test_an_oddity_in_a_case",
        "test_an_oddity_in_a_test",
        "test_an_oddity_by_its_name",
        "test_an_oddity_of_a_fixture",
    }


FAR_OUT = 2**64


@pytest.fixture
def far_out() -> int:
    return 2**63


@pytest.mark.parametrize("text", ["a0b", "\x00"])
def test_an_oddity_in_a_case(text: str) -> None:
    assert text


def test_an_oddity_in_a_test() -> None:
    assert len("a\0b") == 3


def test_an_oddity_by_its_name() -> None:
    assert FAR_OUT


def test_an_oddity_of_a_fixture(far_out: int) -> None:
    assert far_out


def test_what_only_a_face_does_is_left_to_the_double_run() -> None:
    assert not can_differ(TESTS / "api/test_docs.py")
    assert not can_differ(TESTS / "rules/test_jsonl.py")


def test_no_test_of_what_can_differ_is_kept_out_of_the_second_session() -> None:
    """`once` says that nothing differs. Where a module imports what can differ, only a browser test may say so."""
    once = [test for test in MODULES if "mark.once" in test.read_text() and imported(test) & signed().keys()]
    assert [str(test.relative_to(TESTS)) for test in once if test.parent.name not in ("browser", "admin")] == []
