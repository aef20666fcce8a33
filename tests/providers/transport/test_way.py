"""U11: which way a request leaves, and so which client serves a provider: one table."""

import pytest

from providers.online.options import options_problem
from providers.secrets.references import Reference
from providers.transport.way import Client, Way, WayOptions, is_direct, way_to

PROXY = "http://proxy.example:3128"
HTTPS = "https://api.example/v1"
HTTP = "http://vllm.internal:8000/v1"
CA = "-----BEGIN CERTIFICATE-----\n…"


@pytest.mark.parametrize(
    ("base_url", "options", "environment", "expected"),
    [
        (HTTPS, {}, {}, "fast path"),
        (HTTP, {}, {}, "fast path"),
        (HTTPS, {"proxy": PROXY}, {}, "aiohttp: the proxy proxy.example:3128 (option proxy)"),
        (HTTPS, {"proxy": Reference(secret="way")}, {}, "aiohttp: the proxy the secret way (option proxy)"),
        (HTTPS, {}, {"HTTPS_PROXY": PROXY}, "aiohttp: the proxy proxy.example:3128 (HTTPS_PROXY)"),
        (HTTPS, {}, {"https_proxy": "proxy.example:3128"}, "aiohttp: the proxy proxy.example:3128 (https_proxy)"),
        (HTTPS, {}, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, "aiohttp: the proxy proxy.example:3128 (https_proxy)"),
        (HTTPS, {}, {"HTTPS_PROXY": "http://user:secret@p:1"}, "aiohttp: the proxy p:1 (HTTPS_PROXY)"),
        (HTTPS, {}, {"HTTP_PROXY": PROXY}, "fast path"),
        (HTTP, {}, {"HTTP_PROXY": PROXY}, "aiohttp: the proxy proxy.example:3128 (HTTP_PROXY)"),
        (HTTP, {}, {"HTTPS_PROXY": PROXY}, "fast path"),
        (HTTP, {}, {"ALL_PROXY": PROXY}, "aiohttp: the proxy proxy.example:3128 (ALL_PROXY)"),
        (HTTPS, {}, {"HTTPS_PROXY": PROXY, "NO_PROXY": "example"}, "fast path"),
        (HTTPS, {}, {"HTTPS_PROXY": PROXY, "NO_PROXY": "other.example"}, "aiohttp: the proxy proxy.example:3128 (HTTPS_PROXY)"),
        ("http://localhost:1/v1", {}, {"HTTP_PROXY": PROXY}, "fast path"),
        ("http://127.0.0.2:1/v1", {}, {"ALL_PROXY": PROXY}, "fast path"),
        ("http://[::1]:1/v1", {}, {"ALL_PROXY": PROXY}, "fast path"),
        ("http://127.0.0.1:1/v1", {"proxy": PROXY}, {}, "aiohttp: the proxy proxy.example:3128 (option proxy)"),
        (HTTPS, {"proxy": "none"}, {"HTTPS_PROXY": PROXY}, "fast path"),
        (HTTPS, {"proxy": PROXY}, {"NO_PROXY": "*"}, "aiohttp: the proxy proxy.example:3128 (option proxy)"),
        (HTTPS, {"ca": CA}, {}, "aiohttp: its own CA (option ca)"),
        (HTTP, {"ca": CA}, {}, "fast path"),
        (HTTP, {"ca": CA, "proxy": "https://p"}, {}, "aiohttp: the proxy p (option proxy), its own CA (option ca)"),
        (HTTPS, {}, {"REQUESTS_CA_BUNDLE": "/ca.pem"}, "aiohttp: its own CA (REQUESTS_CA_BUNDLE)"),
        (HTTPS, {}, {"REQUESTS_CA_BUNDLE": "/ca.pem", "SSL_CERT_FILE": "/other.pem"}, "fast path"),
        (HTTPS, {"ca": CA}, {"SSL_CERT_FILE": "/other.pem"}, "aiohttp: its own CA (option ca)"),
        (HTTPS, {"client_certificate": "/c.pem", "client_key": "/k.pem"}, {}, "aiohttp: a client certificate"),
        (HTTPS, {"proxy": PROXY, "ca": CA, "client_certificate": "/c.pem"}, {}, None),
    ],
)
def test_u11_the_way_is_decided_by_what_is_needed(
    base_url: str, options: dict[str, str], environment: dict[str, str], expected: str | None
) -> None:
    way = way_to(base_url, WayOptions(**options), environment)
    assert str(way) == expected or (expected is None and len(way.needs) == 3)
    assert way.client is (Client.FAST if expected == "fast path" else Client.FULL)


@pytest.mark.parametrize(
    ("host", "port", "listed", "direct"),
    [
        ("api.example", 443, "", False),
        ("api.example", 443, "*", True),
        ("api.example", 443, "api.example", True),
        ("api.example", 443, ".example", True),
        ("api.example", 443, "*.example", True),
        ("API.Example.", 443, "api.EXAMPLE", True),
        ("myexample", 443, "example", False),
        ("api.example", 443, "a, b api.example", True),
        ("api.example", 443, "api.example:443", True),
        ("api.example", 443, "api.example:8443", False),
        ("10.1.2.3", 80, "10.0.0.0/8", True),
        ("10.1.2.3", 80, "10.1.2.3", True),
        ("10.1.2.3", 80, "192.168.0.0/16", False),
        ("fd00::1", 80, "fd00::/8", True),
        ("fd00::1", 80, "[fd00::1]:80", True),
        ("fd00::1", 80, "[fd00::1]:81", False),
        ("localhost", 80, "", True),
        ("x.localhost", 80, "", True),
        ("127.8.9.1", 80, "", True),
        ("localhost.example", 80, "", False),
        ("api.example", 443, ",,", False),
    ],
)
def test_u11_no_proxy_lists_names_addresses_and_networks(host: str, port: int, listed: str, direct: bool) -> None:
    assert is_direct(host, port, listed=listed) is direct


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"proxy": "proxy.example:3128"}, "proxy: it is not the URL of a proxy"),
        ({"proxy": "socks5://proxy.example"}, "proxy: a SOCKS proxy"),
        ({"proxy": "http://user:hunter2secret@proxy.example"}, "proxy: a URL with a password is a secret"),
        ({"proxy": "http://proxy.example/path"}, "proxy: "),
        ({"proxy": "http://proxy:port"}, "proxy: "),
        ({"proxy": {"secret": ""}}, "proxy: a secret is given as"),
        ({"proxy": {"env": "not a name"}}, "proxy: this is not the name of an environment variable"),
        ({"client_key": "/k.pem"}, "client_key: "),
        (
            {"client_certificate": "/c.pem", "client_key": "-----BEGIN PRIVATE KEY-----hunter2secret"},
            "client_key: a key is a secret",
        ),
        ({"ca": "neither\nnor"}, "ca: "),
    ],
)
def test_u11_a_bad_option_is_named_and_not_quoted(options: dict[str, object], said: str) -> None:
    problem = options_problem(options, WayOptions)
    assert problem is not None
    assert said in problem
    assert "hunter2secret" not in problem


def test_u11_a_way_never_shows_a_password() -> None:
    assert "secret" not in str(Way(proxy="http://user:secret@proxy:1", proxy_from="ALL_PROXY"))
