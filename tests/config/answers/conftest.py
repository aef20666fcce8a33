"""Pages to answer with."""

from tests.console.conftest import console, make_batch, member

__all__ = ["console", "make_batch", "member"]
