"""The dashboard and the alert rules: each metric that they name is offered, and each alert has its runbook and its tests."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone
from prometheus_client import generate_latest

from batches.models import Project
from batches.services.insight.metrics.collect import collect
from batches.services.telemetry import counts
from batches.services.telemetry.catalogue import ATTEMPT_SECONDS, ATTEMPTS, CATALOGUE, HTTP_REQUESTS, HTTP_SECONDS, THROTTLES
from batches.services.telemetry.hand_in import hand_in, reporter
from providers.models import Provider
from tests.cast import request_lines, started
from tests.test_house import ROOT
from tests.test_readmes import anchors

MONITORING = ROOT / "config/deploy/monitoring"
NAME = re.compile(r"\bbatchyard_\w+")
SELECTED = re.compile(r"(batchyard_\w+)\{([^}]*)\}")
GROUPED = re.compile(r"by \(([^)]*)\)")
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool") or str(ROOT / "build/promtool/promtool")
needs_promtool = pytest.mark.skipif(not Path(PROMTOOL).exists(), reason="there is no promtool; `make promtool` fetches one")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    """Every expression of the rules and the dashboard."""
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


@pytest.fixture
def offered(project: Project, simulator: Provider, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, set[str]]]:
    """What a portal at work offers: the values of each label, by the name of the metric and the label."""
    monkeypatch.setattr(reporter, "reported_at", float("-inf"))
    started(project, request_lines(1))
    counts.count(ATTEMPTS, simulator.pk.hex, "succeeded")
    counts.count(THROTTLES, simulator.pk.hex)
    counts.observe(ATTEMPT_SECONDS, simulator.pk.hex, seconds=[1])
    counts.count(HTTP_REQUESTS, "openai", "2xx")
    counts.count(HTTP_REQUESTS, "console", "5xx")
    counts.observe(HTTP_SECONDS, "openai", seconds=[1])
    hand_in(now=timezone.now())
    found: dict[str, dict[str, set[str]]] = {}
    for metric in collect(now=timezone.now()):
        for sample in metric.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    # Without a job or a pool there are no samples, only families.
    found["batchyard_provider_jobs"] = {"provider": set(), "state": set()}
    for name in ("batchyard_process_database_connections", "batchyard_process_database_connections_max"):
        found.setdefault(name, {"role": set()})
    return found


@pytest.mark.alike
@pytest.mark.django_db
def test_every_metric_that_is_named_is_offered(offered: dict[str, dict[str, set[str]]]) -> None:
    families = {family.name for family in collect(now=timezone.now())}
    named = {name for expression in expressions() for name in NAME.findall(expression)}

    assert len(named) > 40
    assert named - offered.keys() == set()
    assert {"batchyard_provider_jobs", "batchyard_process_database_connections_max"} <= families


@pytest.mark.alike
@pytest.mark.django_db
def test_every_label_that_is_named_is_one_of_its_metric(offered: dict[str, dict[str, set[str]]]) -> None:
    wrong = []
    for expression in expressions():
        for name, selectors in SELECTED.findall(expression):
            for label, operator, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', selectors):
                values = offered[name].get(label)
                if values is None or (operator == "=" and value not in values):
                    wrong.append((name, label, value))
        grouped = {label.strip() for labels in GROUPED.findall(expression) for label in labels.split(",")}
        known = {label for name in NAME.findall(expression) for label in offered[name]}
        wrong += [(expression, label, "") for label in grouped - known]
    assert wrong == []


@pytest.mark.alike
@pytest.mark.django_db
def test_every_metric_is_on_the_dashboard(offered: dict[str, dict[str, set[str]]]) -> None:
    drawn = {name for panel in panels() for target in panel["targets"] for name in NAME.findall(target["expr"])}
    families = {re.sub(r"_(?:total|bucket|sum|count)$", "", name) for name in drawn}

    assert {counted.name for counted in CATALOGUE} - families == set()
    assert {metric.name for metric in collect(now=timezone.now())} - families - {"batchyard_build"} == set()


def test_panels_have_names_and_places_of_their_own() -> None:
    shown = panels()

    assert len({panel["id"] for panel in shown}) == len({panel["title"] for panel in shown}) == len(shown) > 20
    taken: dict[tuple[int, int], str] = {}
    for panel in shown:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_every_alert_says_what_it_means_and_has_its_runbook() -> None:
    page = (MONITORING / "README.md").read_text()
    known = anchors(page)
    for rule in rules():
        runbook = rule["annotations"]["runbook"]
        assert runbook == f"config/deploy/monitoring/README.md#{rule['alert'].lower()}"
        assert runbook.partition("#")[2] in known
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        section = page.partition(f"### {rule['alert']}\n")[2].partition("\n### ")[0]
        assert re.findall(r"^- \*\*(.+?)\*\*", section, re.MULTILINE) == ["Meaning", "See why", "Mend"]
    assert set(re.findall(r"^### (Batchyard\w+)$", page, re.MULTILINE)) == {rule["alert"] for rule in rules()}


def test_every_alert_is_seen_to_fire_and_to_stay_silent() -> None:
    tests = yaml.safe_load((MONITORING / "alerts.test.yaml").read_text())["tests"]
    fires, silent = set[str](), set[str]()
    for test in tests:
        for case in test["alert_rule_test"]:
            (fires if case["exp_alerts"] else silent).add(case["alertname"])

    assert fires == silent == {rule["alert"] for rule in rules()}


@needs_promtool
@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("check", "rules", "alerts.yaml"), ("test", "rules", "alerts.test.yaml")], ids=["check", "test"]
)
def test_promtool_finds_no_fault(words: tuple[str, ...]) -> None:
    told = subprocess.run([PROMTOOL, *words], cwd=MONITORING, capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stdout + told.stderr


@needs_promtool
@pytest.mark.slow
@pytest.mark.alike
@pytest.mark.django_db
def test_promtool_reads_the_page_without_a_complaint(offered: dict[str, dict[str, set[str]]]) -> None:
    from_page = subprocess.run([PROMTOOL, "check", "metrics"], input=page(), capture_output=True, text=True, check=False)

    assert (from_page.returncode, from_page.stdout, from_page.stderr) == (0, "", "")


def page() -> str:
    """The page in the text format."""
    from_collection = type("Collected", (), {"collect": staticmethod(lambda: collect(now=timezone.now()))})
    return generate_latest(from_collection()).decode()
