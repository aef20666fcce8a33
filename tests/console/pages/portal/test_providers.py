"""The pages of providers: how each is doing, who waits for it; never its credential, and nothing of foreign projects."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import AuditEntry, Batch, BatchMinute, Project, ProviderHealth, Role
from batches.rules.states import BatchStatus
from providers.models import Provider, ProviderModel
from tests.console.conftest import MakeBatch, SignIn

SECRET = "sk-very-secret"
ADDRESS = "/console/providers/simulator/"


def page(client: Client, path: str = ADDRESS) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def settle(batch: Batch, **counts: int) -> None:
    BatchMinute.objects.create(batch=batch, minute=timezone.now().replace(second=0, microsecond=0), **counts)


def test_every_provider_is_listed_trouble_first(console: Client, simulator: Provider, make_batch: MakeBatch) -> None:
    now = timezone.now()
    settle(make_batch(succeeded=1), succeeded=999, failed=1, latency_ms=120_000)
    broken = Provider.objects.create(name="broken", adapter="simulator")
    until = now + timedelta(seconds=30)
    ProviderHealth.objects.create(provider=broken, concurrency=1, breaker="open", breaker_until=until, updated_at=now)
    ProviderHealth.objects.create(provider=simulator, concurrency=200, in_use=200, in_flight=17, updated_at=now)
    text = page(console, "/console/providers/")
    assert text.index("broken") < text.index(">simulator</a>")
    assert ">Down<" in text
    assert "99.9 %" in text
    assert "120 ms" in text
    assert '17 <span class="hint">limit 256' in text, "O5: what is in flight, and not the slots"


def test_a_provider_shows_how_it_is_doing_and_who_waits_for_it(
    console: Client, simulator: Provider, make_batch: MakeBatch
) -> None:
    now = timezone.now()
    batch = make_batch(BatchStatus.IN_PROGRESS, remark="Nightly", succeeded=1, failed=3, pending=4)
    make_batch(remark="Long over", succeeded=1)
    settle(batch, succeeded=1, failed=3)
    ProviderModel.objects.create(provider=simulator, name="m<1>", input_price="2.5", output_price="10", requests_per_minute=60)
    reason = "its limit of 60 requests per minute is used up"
    until = now + timedelta(minutes=1)
    ProviderHealth.objects.create(provider=simulator, concurrency=8, limited_until=until, limited_reason=reason, updated_at=now)
    text = page(console)
    assert "At limit" in text
    assert reason in text
    assert "Nightly" in text
    assert "Long over" not in text
    assert "server_error" in text, "why objects failed lately"
    assert "m&lt;1&gt;" in text
    assert "2.500000 / 10.000000" in text
    assert "USD for a million tokens" in text


def test_a_provider_that_nothing_was_ever_sent_to_has_a_page(console: Client, simulator: Provider) -> None:
    text = page(console)
    assert "Idle" in text
    assert "No batch that you can see is in progress at" in text
    assert "No request failed for good in 24 hours." in text
    assert "/v1/chat/completions" in text


def test_its_credential_is_shown_to_nobody_and_its_address_to_admins_of_the_portal(
    console: Client, member: SignIn, project: Project
) -> None:
    provider = Provider(name="real", adapter="openai", base_url="https://gateway.example/v1")
    provider.set_credential(SECRET)
    provider.save()
    Provider.objects.create(
        name="other", adapter="openai", base_url="https://x.example/v1", credential_env="BATCHYARD_CREDENTIAL_UPSTREAM"
    )
    text = page(console, "/console/providers/real/")
    assert "https://gateway.example/v1" in text
    assert "stored, encrypted" in text
    assert "in the variable BATCHYARD_CREDENTIAL_UPSTREAM" in page(console, "/console/providers/other/")
    theirs = page(member(Role.ADMIN), "/console/providers/real/")
    assert "gateway.example" not in theirs
    assert "Test now" not in theirs
    assert SECRET not in text + theirs
    assert bytes(provider.credential_encrypted).decode() not in text + theirs


def test_who_may_not_use_a_provider_does_not_learn_of_it(member: SignIn, simulator: Provider) -> None:
    Provider.objects.create(name="secret", adapter="simulator", granted_to_all=False)
    viewer = member(Role.VIEWER)
    assert "secret" not in page(viewer, "/console/providers/")
    for path in ("secret/", "nothing/"):
        assert viewer.get(f"/console/providers/{path}").status_code == 404
        assert viewer.post(f"/console/providers/{path}check/").status_code == 404


def test_what_others_do_there_is_not_shown(
    member: SignIn, simulator: Provider, make_batch: MakeBatch, other_project: Project
) -> None:
    foreign = make_batch(BatchStatus.IN_PROGRESS, remark="Theirs", failed=2, pending=1, of=other_project)
    settle(foreign, succeeded=4321)
    text = page(member(Role.VIEWER))
    assert "Theirs" not in text
    assert "4,321" not in text
    assert "server_error" not in text


def test_admins_of_the_portal_check_the_connection_on_record(console: Client, simulator: Provider) -> None:
    answer = console.post(f"{ADDRESS}check/", follow=True)
    assert answer.redirect_chain == [(ADDRESS, 302)]
    assert "Connection of simulator checked:" in answer.content.decode()
    entry = AuditEntry.objects.get(act="check_provider")
    assert (entry.target, entry.actor) == ("simulator", "user operator")
    assert console.get(f"{ADDRESS}check/").status_code == 405


def test_nobody_else_checks_a_connection(member: SignIn, simulator: Provider) -> None:
    assert member(Role.ADMIN).post(f"{ADDRESS}check/").status_code == 403
    assert AuditEntry.objects.get().outcome == "refused"


@pytest.mark.parametrize("path", ["/console/providers/", ADDRESS])
def test_the_number_of_queries_does_not_grow(
    console: Client,
    simulator: Provider,
    make_batch: MakeBatch,
    count_queries: Callable[[Callable[[], object]], int],
    path: str,
) -> None:
    make_batch(BatchStatus.IN_PROGRESS, pending=1)
    few = count_queries(lambda: page(console, path))
    for number in range(5):
        Provider.objects.create(name=f"more-{number}", adapter="simulator")
        make_batch(BatchStatus.IN_PROGRESS, succeeded=1, failed=1, pending=1)
    assert count_queries(lambda: page(console, path)) == few
    assert few <= 19


@pytest.mark.parametrize("span", ["24h", "7d", "nonsense"])
def test_its_charts_span_what_the_address_says(console: Client, simulator: Provider, make_batch: MakeBatch, span: str) -> None:
    settle(make_batch(succeeded=1), succeeded=5)
    assert "5 succeeded" in page(console, f"{ADDRESS}?span={span}")


def test_u11_a_provider_shows_how_it_is_reached_to_admins_of_the_portal(
    console: Client, member: SignIn, project: Project
) -> None:
    options = {"proxy": {"secret": "way"}, "headers": {"X-Edge": {"env": "EDGE_KEY"}}}
    provider = Provider(name="real", adapter="openai", base_url="https://gateway.example/v1", options=options)
    provider.set_secret("way", f"http://user:{SECRET}@proxy.example:3128")
    provider.save()
    shown = page(console, "/console/providers/real/")
    assert "aiohttp: the proxy the secret way (option proxy)" in shown
    assert "secret way, variable EDGE_KEY" in shown
    assert SECRET not in shown
    assert "aiohttp" not in page(member(Role.VIEWER), "/console/providers/real/")
