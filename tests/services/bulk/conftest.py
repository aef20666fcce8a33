"""Who acts on many batches, and the batches."""

import pytest
from django.contrib.auth.models import User

from batches.rules.states import Source
from batches.services.core.access import Access, access_of
from tests.console.conftest import make_batch

__all__ = ["make_batch"]


@pytest.fixture
def root(operator: User) -> Access:
    """Somebody who may do everything."""
    return access_of(operator, source=Source.CONSOLE)
