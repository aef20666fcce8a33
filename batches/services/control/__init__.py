"""Acts on one batch that runs, and its deletion: cancel, pause, resume, prioritise, reroute, delete.

This room knows `core`, `tally` and `policy`. Start with `cancel`.
"""
