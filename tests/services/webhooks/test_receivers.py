"""URLs that a receiver can have, and those that are refused when they are saved."""

from ipaddress import ip_network

import pytest
from pytest_django import Settings

from batches.rules.errors import InvalidRequest
from batches.services.webhooks.receivers import require_receiver


def refusal(url: str) -> str:
    with pytest.raises(InvalidRequest) as found:
        require_receiver(url, param="callback_url")
    assert found.value.param == "callback_url"
    return found.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/hooks/a%2Fb?team=1&x=~",
        "https://93.184.216.34/hook",
        "https://[2606:2800:220:1::1]/hook",
        "https://intranet/hook",
        "HTTPS://Example.com/",
    ],
)
def test_a_public_https_url_is_kept_as_it_is(url: str) -> None:
    assert require_receiver(url, param="url") == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "visible ASCII"),
        ("https://example.com/ two", "visible ASCII"),
        ("https://example.com/\0", "visible ASCII"),
        ("https://exämple.com/", "visible ASCII"),
        ("https://example.com/" + "x" * 2000, "visible ASCII"),
        ("example.com/hook", "start with https://"),
        ("ftp://example.com/", "start with https://"),
        ("javascript:alert(1)", "start with https://"),
        ("https:///hook", "start with https://"),
        ("https://[::1/", "not a URL"),
        ("https://example.com:70000/", "not a URL"),
        ("https://example.com:0/", "port"),
        ("https://user:secret@example.com/", "user name or password"),
        ("https://example.com/#part", "fragment"),
        ("http://example.com/", "must start with https://. Only"),
        ("http://93.184.216.34/", "must start with https://. Only"),
        ("https://127.0.0.1/", "public address"),
        ("https://localhost/", "public address"),
        ("https://10.0.0.1/", "public address"),
        ("https://[::ffff:192.168.1.1]/", "public address"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://0x7f.1/", "four decimal numbers"),
        ("https://169.254.169.254/latest/meta-data", "credentials of machines"),
        ("https://metadata.google.internal/", "credentials of machines"),
    ],
)
def test_another_url_is_refused_with_a_reason(url: str, said: str) -> None:
    assert said in refusal(url)


@pytest.mark.parametrize("url", ["http://10.1.2.3/hook", "https://10.1.2.3/hook", "http://receiver.internal:8080/hook"])
def test_receivers_in_the_networks_of_the_settings_may_do_without_https(url: str, settings: Settings) -> None:
    settings.TENANT_NETWORKS = [ip_network("10.0.0.0/8")]

    assert require_receiver(url, param="url") == url


@pytest.mark.parametrize("url", ["http://192.168.1.1/", "http://93.184.216.34/", "https://169.254.169.254/", "http://localhost/"])
def test_other_networks_stay_closed(url: str, settings: Settings) -> None:
    settings.TENANT_NETWORKS = [ip_network("10.0.0.0/8"), ip_network("169.254.0.0/16")]

    assert refusal(url)
