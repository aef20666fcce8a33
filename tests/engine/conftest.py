"""A local upstream, a provider that points to it, and settings with short waits for the engine."""

import pytest
from pytest_django import Settings

from providers.models import Provider
from tests.cast import provider_at
from tests.upstream import Upstream, upstream

__all__ = ["upstream"]


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    """Shorten the long default waits of the engine."""
    settings.BACKOFF_BASE_SECONDS = 0.01
    settings.BACKOFF_CAP_SECONDS = 0.05


@pytest.fixture
def provider(transactional_db: None, upstream: Upstream) -> Provider:
    """The portal's default provider, which points to the local upstream."""
    return provider_at(upstream.base_url)
