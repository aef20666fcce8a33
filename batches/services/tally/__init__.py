"""Everything that is counted: outcomes, counts of batches, error groups, the pace, the health of providers and workers.

Counts of batches are computed anew from rows, never added to. This room knows `core`. Start with `recount`.
"""
