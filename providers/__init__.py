"""How to reach an upstream. This package has never heard of a batch."""
