"""Lanes: an executor's own side of the limits. A road for each provider has a lane for each project, with what is ready there.

It knows slices and objects, and asks the limiter of `batches.engine.limits` at each turn. Read `roads` first.
"""
