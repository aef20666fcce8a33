"""An ordinary day: a batch from a bad file, a colleague and a key, a provider's settings, and watching."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Response, expect

from batches.models import ApiKey, AuditEntry, Batch, Membership, Project, Role
from batches.rules.states import BatchStatus
from providers.models import Provider
from tests.browser.journeys.hand import Hand
from tests.browser.test_live import end
from tests.conftest import Portal
from tests.console.conftest import MakeBatch

pytestmark = [pytest.mark.once, pytest.mark.long]

WATCHED_BYTES = 100_000  # of two minutes before an idle page


def test_a_bad_file_is_mended_and_its_batch_started(desk: Page, overview: str, requests_file: Path, hand: Hand) -> None:
    good = requests_file.read_text()
    requests_file.write_text(good + "not json\n")
    hand.start(overview)
    hand.click(desk.get_by_role("link", name="New batch").first)
    desk.get_by_label("Input file").set_input_files(requests_file)
    hand.click(desk.get_by_role("button", name="Check the input"))
    expect(desk.get_by_role("heading", name="Not ready: 1 problem on 1 of 5 lines")).to_be_visible()
    expect(desk.locator(".line-text")).to_have_text("not json")
    requests_file.write_text(good)
    hand.click(desk.get_by_role("link", name="Change…"))
    desk.get_by_label("Input file").set_input_files(requests_file)
    hand.click(desk.get_by_role("button", name="Check the input"))
    hand.click(desk.get_by_role("button", name="Start the batch"))
    expect(desk.locator("#summary .badge")).to_have_text("Validating")
    hand.must_have_taken("Start a batch from a bad file, once it is mended")


def test_a_bad_file_is_looked_into_and_started_without_its_bad_lines(
    desk: Page, portal: Portal, requests_file: Path, hand: Hand
) -> None:
    """O29."""
    requests_file.write_text(requests_file.read_text() + "not json\n{}\n")
    hand.start(f"{portal.url}/console/batches/new/")
    desk.get_by_label("Input file").set_input_files(requests_file)
    hand.click(desk.get_by_role("button", name="Check the input"))
    expect(desk.get_by_role("heading", name="Not ready: 2 problems on 2 of 6 lines")).to_be_visible()
    hand.click(desk.get_by_role("link", name="1 × invalid_json_line"))
    expect(desk.locator(".line-text")).to_have_text("not json")
    hand.click(desk.get_by_role("button", name="Start without the 2 bad lines"))
    expect(desk.locator("#summary .badge")).to_have_text("Validating")
    assert hand.clicks == 3
    assert Batch.objects.get().on_invalid == "skip"


def test_a_colleague_becomes_operator_and_a_key_is_issued_and_revoked(
    desk: Page, portal: Portal, overview: str, project: Project, hand: Hand
) -> None:
    hand.start(overview)
    hand.click(desk.get_by_role("link", name="Admin", exact=True))
    hand.click(desk.get_by_role("link", name="Add to users"))
    desk.get_by_label("Username").fill("anna")
    desk.get_by_label("Password:", exact=True).fill("a-long-password-of-hers")
    desk.get_by_label("Password confirmation").fill("a-long-password-of-hers")
    hand.click(desk.get_by_role("button", name="Save", exact=True))
    hand.click(desk.locator(".select2-selection").first)
    desk.keyboard.type("acme")
    expect(desk.get_by_role("option", name="acme")).to_be_visible()
    hand.press("Enter")
    desk.locator("select[name$=role]").first.select_option("operator")
    hand.click(desk.get_by_role("button", name="Save", exact=True))
    expect(desk.locator(".messagelist .success")).to_contain_text("anna")
    assert Membership.objects.get(user=User.objects.get(username="anna")).role == Role.OPERATOR
    hand.must_have_taken("Make a colleague an operator")

    hand.start(overview)
    hand.click(desk.get_by_role("link", name="Keys", exact=True))
    hand.click(desk.get_by_role("link", name="New key"))
    desk.get_by_label("Name").fill("nightly-jobs")
    hand.click(desk.get_by_role("button", name="Make the key"))
    expect(desk.locator(".issued code")).to_contain_text("by_")
    hand.must_have_taken("Issue a key")

    hand.start(f"{portal.url}/console/keys/")
    hand.click(desk.get_by_role("link", name="nightly-jobs"))
    hand.click(desk.get_by_role("link", name="Revoke…"))
    hand.click(desk.get_by_role("button", name="Revoke the key"))
    expect(desk.locator(".badge", has_text="Revoked")).to_be_visible()
    assert ApiKey.objects.get(name="nightly-jobs").revoked_at is not None
    hand.must_have_taken("Revoke a key")


def test_a_provider_gets_another_limit_and_credential(
    desk: Page, overview: str, simulator: Provider, make_batch: MakeBatch, hand: Hand
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1)
    hand.start(overview)
    hand.click(desk.get_by_role("link", name="simulator", exact=True).first)
    hand.click(desk.get_by_role("link", name="Configure"))
    desk.locator("[name=max_concurrency]").fill("12")
    desk.locator("[name=credential]").fill("sk-another")
    hand.click(desk.get_by_role("button", name="Save", exact=True))
    expect(desk.locator(".messagelist .success")).to_contain_text("simulator")
    hand.must_have_taken("Change a provider's limit and credential")
    simulator.refresh_from_db()
    assert simulator.max_concurrency == 12
    changes = AuditEntry.objects.get(act="change_provider").changes
    assert "sk-another" not in str(changes)


def test_a_batch_is_watched_for_two_minutes_by_keyboard(desk: Page, portal: Portal, make_batch: MakeBatch, hand: Hand) -> None:
    """O20, O22: two minutes were 2.3 MB, and the end was not announced. The browser's clock is moved, so nobody waits."""
    batch = make_batch(BatchStatus.IN_PROGRESS, remark="Nightly", succeeded=40, failed=10)
    received: list[int] = []

    def note(answer: Response) -> None:
        received.append(answer.request.sizes()["responseBodySize"])

    desk.clock.install()
    hand.open(f"{portal.url}/console/batches/{batch}/")
    desk.on("response", note)
    for _ in range(60):
        with desk.expect_response(desk.url):
            desk.clock.run_for(2_000)
    assert len(received) >= 60
    assert sum(received) < WATCHED_BYTES
    end(batch)
    desk.clock.run_for(2_000)
    expect(desk.locator("[data-announced]")).to_contain_text("40 of 50 requests succeeded.")
    hand.must_have_taken("Watch a batch for two minutes by keyboard")


def test_a_phone_shows_at_once_what_fails(desk: Page, overview: str, make_batch: MakeBatch, hand: Hand) -> None:
    make_batch(BatchStatus.IN_PROGRESS, remark="Nightly", succeeded=2, failed=8, pending=3)
    desk.set_viewport_size({"width": 390, "height": 844})
    hand.open(overview)
    card = desk.locator("#attention").get_by_role("link", name="Nightly")
    expect(card).to_be_in_viewport()
    expect(desk.locator("#attention")).to_contain_text("Failing")
    hand.must_have_taken("On a phone: is anything failing?")
