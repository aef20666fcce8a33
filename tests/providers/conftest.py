"""What the tests of the providers share: a local upstream, and ways to send one call."""

from tests.upstream import upstream

__all__ = ["upstream"]
