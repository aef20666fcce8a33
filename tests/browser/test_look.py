"""What the eye and the keyboard meet: every page at every width in light and dark, the choice of colours, keys."""

import uuid

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from batches.models import ApiKey, Batch, BulkAct, BulkOperation, Stopped
from batches.rules.states import BatchStatus, Source
from batches.services.bulk.choice import these
from batches.services.bulk.create import Order, create
from batches.services.bulk.run import run
from batches.services.core.access import access_of
from batches.services.people.keys import issue_key
from batches.services.policy.emergency_stop import Place, begin_stop
from tests.browser.eyes import findings
from tests.cast import TESTER
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = pytest.mark.once

PATHS = [
    "overview/",
    "search/",
    "search/?q=a-1",
    "search/?q=nothing-like-it",
    "providers/",
    "providers/simulator/",
    "batches/",
    "batches/?status=failed&model!=gpt&metadata.team=search",
    "batches/?columns=status,progress,provider,endpoint,dialect,key,tags,priority,tokens,cost,deadline,ended&sort=ended",
    "batches/?colour=red",
    "batches/new/",
    "views/",
    "views/new/?status=failed",
    "errors/",
    "errors/?text=nothing&window=7d",
    "errors/?window=1y",
    "errors/v1:same/",
    "audit/",
    "audit/?who=x&what=cancel_batch",
    "keys/",
    "keys/?state=all",
    "keys/new/",
    "delegation/",
    "stops/",
    "stops/new/",
    "stops/new/?what=sending&place=portal",
    "stops/new/?what=intake&place=provider:simulator",
    "bulk/",
    "bulk/new/?act=cancel&scope=matching&query=model%21%3Dgpt",
    "bulk/new/?act=reprioritise&scope=matching",
    "bulk/new/?act=resume&scope=matching",
    "nowhere/",
]
PARTS = 3  # of the pages, so that processes share them
OF_A_BATCH = ["", "history/", "faces/", "pause/", "guards/", "prioritise/", "lines/1/", "lines/4/"]
OF_A_PARTIAL = ["?status=failed", "lines/4/edit/", "retry/", "retry/?error=v1:same", "retry/?line=1&line=4"]
OF_TWO = [
    "?with=",
    "?with=nothing-like-",
    "?verdict=both_fine&with=",
    "?answers=same&with=",
    "object/?custom_id=a-1&with=",
    "object/?custom_id=a-4&with=",
]


@pytest.fixture
def batches(make_batch: MakeBatch) -> list[Batch]:
    return [
        make_batch(status, succeeded=3, failed=int(status != BatchStatus.COMPLETED), remark="A remark " * 12)
        for status in BatchStatus
    ] + [
        make_batch(remark="Partial", succeeded=2, failed=3),
        make_batch(BatchStatus.IN_PROGRESS, succeeded=2, pending=3, failed=2),
    ]


def addresses(portal: Portal, batches: list[Batch]) -> list[str]:
    """Where `console` has a page; the last two of the batches have ended partly failed, and run."""
    of_batches = [f"batches/{batch}/" for batch in batches[:-2]]
    of_batches += [f"batches/{batch}/{path}" for batch in batches[-2:] for path in OF_A_BATCH]
    first, second = batches[-2:]
    of_partial = [f"batches/{first}/{path}" for path in OF_A_PARTIAL]
    of_two = [f"batches/{first}/compare/{path}{second}" for path in OF_TWO]
    others = [f"batches/{second}/cancel/", f"batches/{second}/compare/", f"batches/new/?from={second}"]
    others += [f"batches/new/{batch.input_file}/?max_cost=2&remark=R" for batch in batches[:2]]
    of_operations = [f"bulk/{operation.pk}/" for operation in operations(batches)]
    others += of_keys_and_stops(batches[-1])
    return [f"{portal.url}/console/{path}" for path in [*PATHS, *of_batches, *of_partial, *of_two, *others, *of_operations]]


def of_keys_and_stops(batch: Batch) -> list[str]:
    """The pages of a key with a running batch, and of a stop, of which every page tells."""
    now = timezone.now()
    key, _ = issue_key(
        batch.project.slug, name="nightly-jobs-of-search", addresses="10.0.0.0/8 2001:db8::/32", actor=TESTER, now=now
    )
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=now, refused_at=now, refused_address="2001:db8:ffff::1")
    Batch.objects.filter(pk=batch.pk).update(created_by_key=key)
    reason = "The gateway answers with prompts of others. " * 3
    place = Place(provider=batch.provider)
    stop = begin_stop(Stopped.INTAKE, place, reason=reason, actor=TESTER, now=now)
    return [f"keys/{key.pk}/", f"keys/{key.pk}/revoke/", f"stops/{stop.pk}/end/"]


def operations(batches: list[Batch]) -> list[BulkOperation]:
    """One that has ended, with skipped batches, and one that waits."""
    by, now = access_of(User.objects.get(username="operator"), source=Source.CONSOLE), timezone.now()
    made = []
    for act in (BulkAct.PAUSE, BulkAct.RETRY):
        order = Order(act=act, reason="A reason " * 12, token=uuid.uuid4(), created_before=now, shown=len(batches))
        made.append(create(these(by, [str(batch) for batch in batches]), order, by=by, now=now))
    run(made[0].pk, now=now)
    return made


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.long) for part in range(1, PARTS))])
def test_every_page_can_be_read_and_is_no_wider_than_its_window(
    desk: Page, portal: Portal, batches: list[Batch], part: int
) -> None:
    found = findings(desk, addresses(portal, batches)[part::PARTS])
    assert found == []


def test_the_header_shows_every_section_whole_at_every_width(desk: Page) -> None:
    """O17: at 1,280 px the last of them was cut."""
    sections = desk.get_by_role("navigation", name="Main")
    cut = []
    for width in range(1000, 1600, 10):
        desk.set_viewport_size({"width": width, "height": 800})
        if sections.evaluate("nav => nav.scrollWidth > nav.clientWidth"):
            cut.append(width)
    assert cut == []


def test_the_choice_of_colours_is_kept_and_known_to_the_server(desk: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = desk.evaluate(ground)
    desk.get_by_role("button", name="Dark").click()
    dark = desk.evaluate(ground)
    assert dark != light
    desk.reload()
    expect(desk.locator("html")).to_have_attribute("data-theme", "dark")
    assert desk.evaluate(ground) == dark
    desk.get_by_role("button", name="As the system").click()
    desk.reload()
    assert desk.evaluate(ground) == light


def test_rows_are_reached_and_opened_by_single_keys(desk: Page, batches: list[Batch]) -> None:
    desk.reload()
    desk.keyboard.press("j")
    desk.keyboard.press("j")
    desk.keyboard.press("k")
    expect(desk.locator("[data-row] .title").first).to_be_focused()
    desk.keyboard.press("Enter")
    desk.wait_for_url(f"**/batches/{batches[-1]}/")
    desk.keyboard.press("/")
    expect(desk.get_by_label("custom_id")).to_be_focused()
    desk.keyboard.type("jk")
    expect(desk.get_by_label("custom_id")).to_have_value("jk")


def test_single_keys_are_explained_and_can_be_switched_off(desk: Page) -> None:
    desk.keyboard.press("?")
    dialog = desk.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_visible()
    desk.get_by_label("Single keys are on in this browser").uncheck()
    desk.get_by_role("button", name="Close").click()
    desk.reload()
    desk.keyboard.press("?")
    expect(dialog).to_be_hidden()


def test_an_id_is_copied(desk: Page, batches: list[Batch]) -> None:
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.reload()
    desk.get_by_role("button", name="Copy the id").first.click()
    assert desk.evaluate("navigator.clipboard.readText()") == str(batches[-1])


def test_the_first_tab_stop_skips_to_the_content(desk: Page) -> None:
    desk.reload()
    desk.keyboard.press("Tab")
    skip = desk.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
