"""An executor's own side of the limits: a road for each provider, with a lane for each project and the objects ready in it.

It knows slices, and asks the limiter of `batches.engine.limits` at each turn. Start with `roads`.
"""
