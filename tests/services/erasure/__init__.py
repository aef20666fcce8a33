"""Erasure of a custom_id or a metadata pair."""
