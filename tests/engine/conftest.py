"""A local upstream and a provider that reaches it; an engine that does not wait long."""

import pytest
from pytest_django import Settings

from providers.models import Provider
from tests.cast import provider_at
from tests.upstream import Upstream, upstream

__all__ = ["upstream"]


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> None:
    """No test waits for what is long by default."""
    settings.BACKOFF_BASE_SECONDS = 0.01
    settings.BACKOFF_CAP_SECONDS = 0.05


@pytest.fixture
def provider(transactional_db: None, upstream: Upstream) -> Provider:
    """The portal's default provider: the local upstream."""
    return provider_at(upstream.base_url)
