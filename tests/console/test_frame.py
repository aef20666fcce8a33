"""What every page of the console has around it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from batches.console.drawing.charts import BarChart, Series, Sparkline
from tests.console.conftest import MakeBatch

STATIC = Path(__file__).parents[2] / "static"
BUDGET = 60_000  # bytes of our own CSS and JavaScript that one page loads, as they are written: the server compresses them
OF_ALL_PAGES = 66_000
ELSEWHERE = ("admin", "docs")  # how the names of files begin that no page of the console loads


def assets() -> Iterator[Path]:
    return (path for path in STATIC.rglob("*") if path.suffix in {".css", ".js"})


def test_the_styles_and_scripts_of_all_pages_of_the_console_together_are_small() -> None:
    assert 20_000 < sum(path.stat().st_size for path in assets() if not path.stem.startswith(ELSEWHERE)) <= OF_ALL_PAGES


@pytest.mark.parametrize("address", ["/console/batches/", "/console/batches/new/", "/admin/", "/api/docs/"])
def test_what_a_page_loads_is_small(console: Client, address: str) -> None:
    page = console.get(address).content.decode()
    loaded = {STATIC / name for name in re.findall(r'"/static/((?:console|api)/[\w-]+\.(?:css|js))"', page)}
    assert len(loaded) >= 3
    assert sum(path.stat().st_size for path in loaded) <= BUDGET


def test_no_style_or_script_asks_another_host() -> None:
    assert [path.name for path in assets() if re.search(r"https?://|@import|url\(\s*['\"]?//", path.read_text())] == []


def test_a_page_runs_nothing_inline_and_names_no_other_host(console: Client, make_batch: MakeBatch) -> None:
    make_batch(succeeded=1)
    for address in ("/console/batches/", "/console/views/", "/console/views/new/?status=failed"):
        answer = console.get(address)
        page = answer.content.decode()
        assert "'unsafe" not in answer.headers["Content-Security-Policy"]
        assert not re.findall(r"<script(?![^>]*\bsrc=)|<style", page)
        assert not re.findall(r'\sstyle="|\son\w+="', page)
        assert all(found.startswith("/static/") for found in re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]+)"', page))


def test_the_part_of_the_console_that_one_is_in_is_marked(console: Client, make_batch: MakeBatch) -> None:
    batch = make_batch()
    for address in ("/console/batches/", f"/console/batches/{batch}/", "/console/views/"):
        assert re.findall(r'data-go="(\w)" aria-current="page"', console.get(address).content.decode()) == ["b"]


def test_the_version_is_shown_to_those_who_are_signed_in(console: Client, client: Client) -> None:
    assert f"Batchyard {settings.VERSION}" in console.get("/console/batches/").content.decode()
    assert settings.VERSION not in client.get("/console/login/").content.decode()


@pytest.mark.parametrize("zone", ["", "UTC", "Mars/Olympus", "../../etc/passwd", "Europe", "a\\0b", "x" * 3000])
def test_a_zone_that_is_none_is_utc(console: Client, make_batch: MakeBatch, zone: str) -> None:
    batch = make_batch()
    console.cookies["zone"] = zone
    assert f'title="{batch.created_at:%Y-%m-%d %H:%M:%S} UTC"' in console.get("/console/batches/").content.decode()


def test_moments_are_read_in_the_readers_zone_and_kept_in_utc(console: Client, make_batch: MakeBatch) -> None:
    make_batch()
    console.cookies["zone"] = "Asia/Tokyo"
    answer = console.get("/console/batches/?created_from=2026-11-22T09:30")
    assert answer.headers["Location"] == "/console/batches/?created_from=2026-11-22T00%3A30Z"
    page = console.get(answer.headers["Location"]).content.decode()
    assert 'name="created_from" value="2026-11-22T09:30"' in page
    assert "2026-11-22 09:30:00 JST" in page


def test_the_api_answers_in_utc_whatever_the_console_shows(console: Client, make_batch: MakeBatch) -> None:
    make_batch()
    console.cookies["zone"] = "Asia/Tokyo"
    assert console.get("/api/v1/batches").json()["data"][0]["created_at"].endswith("Z")


def test_a_chart_says_in_words_what_it_draws() -> None:
    chart = BarChart(
        "Objects",
        ["10:00", "10:01"],
        [Series("Succeeded", "good", [90, 1200]), Series("Failed", "bad", [10, 0])],
        unit="a minute",
    )
    assert chart.words == "Objects: 1,290 succeeded, 10 failed in all; the most, 1,200, at 10:01"
    assert chart.top_words == "2,000 a minute"
    assert [place.words for place in chart.places] == ["10:00: 90 succeeded, 10 failed", "10:01: 1,200 succeeded, 0 failed"]
    assert [(bar.y, bar.height) for bar in chart.places[0].bars] == [("95.500%", "4.500%"), ("95.000%", "0.500%")]


@pytest.mark.parametrize("values", [[], [0, 0]])
def test_a_chart_of_nothing_is_empty(values: list[float]) -> None:
    chart = BarChart("Objects", [str(at) for at, _ in enumerate(values)], [Series("Failed", "bad", values)])
    assert chart.is_empty
    assert chart.words == "Objects: none"
    assert chart.top == 1


@pytest.mark.parametrize(
    ("values", "points"),
    [([], ""), ([3], "0.0,2.0 100,2.0"), ([0, 0], "0.0,22.0 100.0,22.0"), ([0, 10, 5], "0.0,22.0 50.0,2.0 100.0,12.0")],
)
def test_a_sparkline_spans_its_box(values: list[float], points: str) -> None:
    assert Sparkline(values, "failures").points == points


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "console/icons.svg").read_text()))
    templates = [path.read_text() for path in (STATIC.parent / "templates").rglob("*.html")]
    named = {
        name
        for text in templates
        for found in re.findall(r'{% icon "([\w-]+)"|\bicon="([\w-]+)"', text)
        for name in found
        if name
    }
    assert len(named) > 20
    assert named - drawn == set()
