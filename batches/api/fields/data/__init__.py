"""Retention, legal holds, stored bytes and erasures in the native API. Start with `retention`."""
