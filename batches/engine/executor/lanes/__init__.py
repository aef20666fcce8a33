"""An executor's own side of the limits: a road for each provider, and on it a lane for each project with its ready objects.

This package knows slices. At each turn it asks the limiter of `batches.engine.limits`. Start with `roads`.
"""
