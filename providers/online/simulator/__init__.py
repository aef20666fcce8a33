"""The built-in upstream: it answers any model on every endpoint, deterministically, and fails when it is told to.

`adapter` decides what to answer, the other modules make answers up. Start with `adapter`.
"""
