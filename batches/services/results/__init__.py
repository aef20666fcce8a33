"""Reading of outcomes: the results of a batch in input order, from rows or files; attempts; the comparison of two batches.

This room reads and never writes. It knows `core`, `tally` and `storage`. Start with `results`.
"""
