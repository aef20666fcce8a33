"""What was counted: outcomes as rows, counts of batches, errors in their groups, the pace, the health of providers and workers.

Counts are made anew from rows, never added to. This room knows `core`. Start with `recount`.
"""
