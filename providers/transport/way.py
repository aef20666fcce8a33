"""The way to an upstream: its proxy and its certificates, and so the HTTP client that is used. Pure rules."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import msgspec

from providers.secrets.references import Reference
from providers.transport.destinations import PROVIDERS

NO_PROXY = "none"  # a value of the option `proxy`: connect directly, even if the environment names a proxy
PEM = "-----BEGIN "
ENVIRONMENT = (
    *("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"),
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
)


class WayOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of every adapter that speaks HTTP.

    * `proxy`: the URL of a proxy, such as `http://proxy.example.com:3128`; `none` for no proxy; else the environment decides;
    * `ca`: the CA certificates to trust instead of the system's: PEM, or the path of a PEM file;
    * `client_certificate`: a certificate to show to the upstream: PEM, or the path of a PEM file;
    * `client_key`: the key of that certificate: a secret that holds PEM, or the path of a PEM file.
    """

    proxy: Reference | str = ""
    ca: str = ""
    client_certificate: str = ""
    client_key: Reference | str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for the first option that cannot be used."""
        if isinstance(self.proxy, str) and self.proxy not in ("", NO_PROXY) and (problem := _proxy_problem(self.proxy)):
            raise ValueError(f"proxy: {problem}")
        for name, value in (("ca", self.ca), ("client_certificate", self.client_certificate)):
            if value and PEM not in value and ("\n" in value or "\x00" in value):
                raise ValueError(f"{name}: it is neither PEM nor the path of a file")
        if self.client_key and not self.client_certificate:
            raise ValueError("client_key: it is of no use without client_certificate")

    def plain_secrets(self) -> Iterator[str]:
        """One sentence for each option that is a secret and is given in the clear instead of as a reference."""
        if isinstance(self.proxy, str) and "@" in self.proxy:
            yield 'proxy: a URL with a password is a secret: store it, and give {"secret": "NAME"}'
        if isinstance(self.client_key, str) and PEM in self.client_key:
            yield 'client_key: a key is a secret: store it, and give {"secret": "NAME"}, or give the path of a file'


class Client(Enum):
    """The two implementations of `Transport`, with the names that pages show."""

    FAST = "fast path"
    FULL = "aiohttp"


@dataclass(frozen=True, slots=True)
class Way:
    """The proxy and the certificates for requests to an upstream. A `..._from` names the option or variable that set one."""

    proxy: Reference | str = ""
    proxy_from: str = ""
    ca: str = ""
    ca_from: str = ""
    certificate: str = ""
    key: Reference | str = ""

    @property
    def needs(self) -> list[str]:
        """The needs that the fast path cannot meet, in words and without secrets."""
        found = []
        if self.proxy:
            shown = f"the {self.proxy}" if isinstance(self.proxy, Reference) else proxy_address(self.proxy)
            found.append(f"the proxy {shown} ({self.proxy_from})")
        if self.ca:
            found.append(f"its own CA ({self.ca_from})")
        if self.certificate:
            found.append("a client certificate")
        return found

    @property
    def client(self) -> Client:
        """The client for this way: the fast path if it can meet all needs, else the full client."""
        return Client.FULL if self.needs else Client.FAST

    def __str__(self) -> str:
        return f"{self.client.value}: {', '.join(self.needs)}" if self.needs else self.client.value


def way_to(base_url: str, options: WayOptions, environment: Mapping[str, str]) -> Way:
    """The way to an upstream. An option overrides the environment. `environment` is empty if the portal ignores it."""
    target = urlsplit(base_url)
    proxy, proxy_from = options.proxy, "option proxy"
    if not proxy:
        proxy, proxy_from = _proxy_in(environment, target)
    if not proxy or proxy == NO_PROXY:
        proxy = proxy_from = ""
    if target.scheme != "https" and not (isinstance(proxy, str) and proxy.startswith("https:")):
        return Way(proxy, proxy_from)  # without encryption no certificate is needed
    ca, ca_from = options.ca, "option ca"
    if not ca and not environment.get("SSL_CERT_FILE"):  # both clients read SSL_CERT_FILE by themselves
        ca, ca_from = environment.get("REQUESTS_CA_BUNDLE", ""), "REQUESTS_CA_BUNDLE"
    return Way(proxy, proxy_from, ca, ca_from if ca else "", options.client_certificate, options.client_key)


def proxy_address(url: str) -> str:
    """Host and port of a proxy, without user and password."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2]


def proxy_problem(way: Way) -> str | None:
    """The problem of the proxy that a variable names; None if there is none. A proxy from an option was checked before."""
    problem = _proxy_problem(way.proxy) if isinstance(way.proxy, str) and way.proxy else None
    return f"{way.proxy_from}: {problem}" if problem else None


def _proxy_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is not the URL of a proxy, such as http://proxy.example.com:3128"
    if parts.scheme.startswith("socks"):
        return "a SOCKS proxy cannot be used, but an HTTP one can"
    if parts.scheme not in {"http", "https"} or not host or parts.path.strip("/") or parts.query or parts.fragment:
        return "it is not the URL of a proxy, such as http://proxy.example.com:3128"
    return PROVIDERS.problem(host)


def _proxy_in(environment: Mapping[str, str], target: SplitResult) -> tuple[str, str]:
    """The proxy that the environment names for a target, and the name of the variable; both empty if there is none."""
    port = target.port or (443 if target.scheme == "https" else 80)
    if is_direct(target.hostname or "", port, listed=_variable(environment, "no_proxy")[0]):
        return "", ""
    for name in (f"{target.scheme}_proxy", "all_proxy"):
        url, variable = _variable(environment, name)
        if url:
            return (url if "://" in url else f"http://{url}"), variable
    return "", ""


def _variable(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """The value of a variable whose name is in lower or upper case, and that name. Lower case goes first, as in curl."""
    for variable in (name, name.upper()):
        if value := environment.get(variable, "").strip():
            return value, variable
    return "", ""


def is_direct(host: str, port: int | None, *, listed: str) -> bool:
    """Whether requests to this host use no proxy from the environment: it is this machine, or NO_PROXY lists it.

    An entry is `*`, a name with everything below it, an address, or a network such as `10.0.0.0/8`; each may have a port.
    """
    host = host.lower().rstrip(".")
    if _is_loopback(host):
        return True
    for entry in listed.lower().replace(" ", ",").split(","):
        name, of_port = _split_port(entry)
        if not name or (of_port is not None and of_port != port):
            continue
        name = name.removeprefix("*.").strip(".")
        if entry == "*" or host == name or host.endswith(f".{name}") or _is_within(host, name):
            return True
    return False


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, int(rest[1:]) if rest[1:].isdecimal() else None
    name, colon, port = entry.rpartition(":")
    return (name, int(port)) if colon and ":" not in name and port.isdecimal() else (entry, None)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except (ValueError, TypeError):
        return False
