"""The house rule of the two databases: what can differ between them is proved on both in every `make test`."""

import re
from pathlib import Path

import pytest

from batches.services.lifecycle.claim import claim
from tests.extent import TESTS, can_differ, imported, is_home, signed

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
        ("providers/online/simulator/test_adapter.py", "providers.online.simulator.adapter", True),
        ("config/answers/test_health.py", "config.answers.health", True),
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
        ("def f():\n    from config.answers import health as h", {"config.answers", "config.answers.health"}),
    ],
)
def test_an_import_is_seen_in_any_spelling(tmp_path: Path, text: str, found: set[str]) -> None:
    module = tmp_path / "test_it.py"
    module.write_text(text)
    assert imported(module) == found


def test_what_sends_oddities_or_uses_a_module_with_a_sign_runs_on_both(request: pytest.FixtureRequest) -> None:
    here = [item for item in request.session.items if item.path == Path(__file__) and isinstance(item, pytest.Function)]
    assert {item.originalname for item in here if can_differ(item) and item.originalname.startswith("test_a_")} == {
        "test_a_case_that_is_odd",
        "test_a_line_that_is_odd",
        "test_a_name_of_what_is_odd",
        "test_a_fixture_that_is_odd",
        "test_a_use_through_a_helper",
    }


FAR_OUT = 2**64


@pytest.fixture
def far_out() -> int:
    return 2**63


@pytest.mark.parametrize("text", ["a0b", "\x00"])
def test_a_case_that_is_odd(text: str) -> None:
    assert text


def test_a_line_that_is_odd() -> None:
    assert len("a\0b") == 3


def test_a_name_of_what_is_odd() -> None:
    assert FAR_OUT


def test_a_fixture_that_is_odd(far_out: int) -> None:
    assert far_out


def helper() -> str:
    return claim.__name__


def test_a_use_through_a_helper() -> None:
    assert helper() == "claim"


def test_no_test_of_what_can_differ_is_kept_out_of_the_second_session() -> None:
    """`once` says that nothing differs. Where a module imports what can differ, only tests of what pages say may."""
    says_once = re.compile(r"^(?:pytestmark = |@).*mark\.once", re.MULTILINE)
    about_pages = ("browser", "admin", "security")
    once = [test for test in MODULES if says_once.search(test.read_text()) and imported(test) & signed().keys()]
    assert [str(test.relative_to(TESTS)) for test in once if test.relative_to(TESTS).parts[0] not in about_pages] == []
