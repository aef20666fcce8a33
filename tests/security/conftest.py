"""The cast of the attacks."""

from tests.api.conftest import native
from tests.console.conftest import console, count_queries, make_batch, member
from tests.upstream import upstream

__all__ = ["console", "count_queries", "make_batch", "member", "native", "upstream"]
