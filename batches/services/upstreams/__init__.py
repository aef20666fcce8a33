"""Providers as people keep them: add, change, check and remove one, and decide which projects may use it.

This room knows `core`, `tally` and `policy`; the package `providers` speaks to upstreams. Start with `providers`.
"""
