"""Questions about outcomes: the results of a batch in input order, from rows or files, attempts, and two batches compared.

This room reads and never writes. It knows `core`, `tally` and `storage`. Start with `results`.
"""
