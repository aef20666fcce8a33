"""What providers of batch APIs allow and keep, as data. Each row says how well it is known.

The numbers are those of the providers' documentation. A provider that differs is told so by its options.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum

from providers.base import ANTHROPIC_ENDPOINTS, OPENAI_ENDPOINTS


class Evidence(Enum):
    """How well a profile is known."""

    WIRE = "the official client was run against a stand-in"
    DOCUMENTED = "the provider's documentation"
    REPORTED = "reports of users"


@dataclass(frozen=True, slots=True)
class Profile:
    """The limits and habits of one family of batch APIs.

    `rows` and `bytes` bound one job. `lists` is the number of jobs on a page of the list; 0 if no list can be asked for many
    jobs at once. `has_marker`: the list shows a marker that was given to the create call. `cancel_keeps`: the results of rows
    that ran before a cancel come home. `price_factor` is the share of the direct price; None if it is not known.
    """

    name: str
    driver: str
    endpoints: frozenset[str]
    rows: int
    bytes: int
    windows: tuple[str, ...]
    evidence: Evidence
    one_model: bool = True
    lists: int = 100
    has_marker: bool = True
    cancel_keeps: bool = True
    cancel_takes: timedelta = timedelta(minutes=10)
    price_factor: Decimal | None = Decimal("0.5")
    keeps_results: timedelta = timedelta(days=30)
    expires_uploads: bool = False  # an upload names when it is to be deleted


MB = 1024**2
_CHAT = frozenset({"/v1/chat/completions"})

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("openai", "openai", OPENAI_ENDPOINTS, 50_000, 200 * MB, ("24h",), Evidence.WIRE),
        Profile(
            "azure",
            "openai",
            frozenset({"/v1/chat/completions", "/v1/responses", "/v1/embeddings"}),
            100_000,
            200 * MB,
            ("24h",),
            Evidence.WIRE,
            expires_uploads=True,
            keeps_results=timedelta(days=14),
        ),
        Profile("groq", "openai", _CHAT, 50_000, 100 * MB, ("24h", "7d"), Evidence.WIRE, lists=0, price_factor=None),
        Profile(
            "novita",
            "openai",
            frozenset({"/v1/chat/completions", "/v1/completions"}),
            50_000,
            100 * MB,
            ("48h", "24h"),
            Evidence.DOCUMENTED,
            lists=0,
        ),
        # Another portal of this kind, through its OpenAI dialect: it charges nothing by itself.
        Profile("batchyard", "openai", OPENAI_ENDPOINTS, 50_000, 200 * MB, ("24h",), Evidence.WIRE, price_factor=Decimal(1)),
        Profile(
            "anthropic",
            "anthropic",
            ANTHROPIC_ENDPOINTS,
            100_000,
            256 * MB,
            ("24h",),
            Evidence.WIRE,
            one_model=False,
            lists=1000,
            has_marker=False,
            keeps_results=timedelta(days=29),
        ),
    )
}
