"""Settings of `/metrics`: who may read it, how often the database is asked, and how many values a label may have."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured

from config.knobs import knob, network_names, seconds, secret, whole

SHORTEST_TOKEN = 16  # characters; nobody counts wrong tokens, so that one must not be guessed

METRICS_TOKEN = secret("METRICS_TOKEN")
if METRICS_TOKEN and (len(METRICS_TOKEN) < SHORTEST_TOKEN or not METRICS_TOKEN.isascii() or not METRICS_TOKEN.isprintable()):
    raise ImproperlyConfigured(f"METRICS_TOKEN must have at least {SHORTEST_TOKEN} characters, all of them printable ASCII.")
# The networks whose machines may read without the token.
METRICS_NETWORKS: list[IPv4Network | IPv6Network] = [
    ip_network(name) for name in knob("METRICS_NETWORKS", network_names, ["127.0.0.0/8", "::1/128"])
]
METRICS_CACHE_SECONDS = knob("METRICS_CACHE_SECONDS", seconds, 10.0)  # how long an answer of the database serves a web process
METRICS_MOST_PROVIDERS = knob("METRICS_MOST_PROVIDERS", whole(0), 50)  # providers with a label of their own; the others share one
METRICS_MOST_PROJECTS = knob("METRICS_MOST_PROJECTS", whole(0), 20)  # projects with a label; 0: no metric names any
