"""The administration of providers: add, change, check and remove them, and decide which projects may use them.

This room knows `core`, `tally` and `policy`; the package `providers` speaks to upstreams. Start with `providers`.
"""
