"""Checking a provider from outside an event loop."""

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from providers import check as check_module
from providers.check import check
from providers.models import Provider
from tests.answers import Answer, redirect, refuse, say, stay_silent
from tests.providers.calls import SECRET
from tests.upstream import Upstream


def provider(upstream: Upstream, *, credential: str = SECRET) -> Provider:
    made = Provider(name="up", adapter="openai", base_url=upstream.base_url)
    made.set_credential(credential)
    return made


def test_a_usable_provider_is_said_to_be_so(upstream: Upstream) -> None:
    found = check(provider(upstream))
    assert found.ok
    assert "1 model" in found.message


def test_a_refused_credential_is_said_to_be_so(upstream: Upstream) -> None:
    upstream.answer(refuse(401, message="no such key"))
    found = check(provider(upstream))
    assert not found.ok
    assert "failed with 401: The upstream refused the provider's credential." in found.message


@pytest.mark.parametrize("adapter", ["openai", "anthropic", "http"])
@pytest.mark.parametrize(
    "answer",
    [
        say(b"the page of an internal service", status=500),
        say(b"the page of an internal service"),
        refuse(403, message="the page of an internal service", code="internal", param="internal"),
        say(b'{"error":{"message":"the page of an internal service"}}'),
        redirect("http://internal.example/the/page"),
    ],
)
def test_s7_a_check_shows_nothing_of_what_was_answered(upstream: Upstream, adapter: str, answer: Answer) -> None:
    """Else whoever sets a provider's address could read whatever the portal reaches."""
    upstream.behave(lambda _: answer)
    made = Provider(name="up", adapter=adapter, base_url=upstream.base_url)
    found = [check(made), check(made, model="m", endpoint="/v1/messages" if adapter == "anthropic" else "")]
    assert len(upstream.requests) >= 1
    assert not [one for one in found if "internal" in one.message or "page" in one.message]


def test_a_check_ends_in_time(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "CHECK_SECONDS", 0.2)
    upstream.answer(stay_silent())
    found = check(provider(upstream))
    assert not found.ok
    assert "0.2 seconds" in found.message


def test_what_cannot_be_connected_is_said_not_raised(upstream: Upstream, settings: Settings) -> None:
    assert "telnet" in check(Provider(name="x", adapter="telnet")).message
    assert (
        "BATCHYARD_CREDENTIAL_UNSET"
        in check(Provider(name="x", adapter="openai", credential_env="BATCHYARD_CREDENTIAL_UNSET")).message
    )
    assert "failure_rate" in check(Provider(name="x", adapter="simulator", options={"failure_rate": 5})).message
    unreadable = provider(upstream)
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    assert not check(unreadable).ok


def test_a_base_url_that_is_none_is_a_failed_check() -> None:
    assert not check(Provider(name="x", adapter="openai", base_url="nonsense")).ok


def test_the_simulator_says_that_it_makes_things_up() -> None:
    found = check(Provider(name="simulator", adapter="simulator"))
    assert found.ok
    assert "made up" in found.message
