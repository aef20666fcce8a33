"""What tests of security begin with: an upstream of their own."""

from tests.upstream import upstream

__all__ = ["upstream"]
