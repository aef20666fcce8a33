"""What tests of security begin with: an upstream of their own."""

import pytest

from batches.models import Project
from providers.models import Provider
from tests.cast import provider_at
from tests.upstream import Upstream, upstream

__all__ = ["upstream"]


@pytest.fixture
def provider(project: Project, upstream: Upstream) -> Provider:
    """The portal's only provider."""
    return provider_at(upstream.base_url)
