"""Erasure of a custom_id or of a metadata pair from everything that a project keeps, with a receipt. Start with `erase`."""
