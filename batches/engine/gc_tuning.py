"""Settings of Python's cyclic garbage collector, for processes that create very many small objects and hardly any cycles."""

import gc
from functools import cache

ALLOCATIONS = 50_000  # between collections of the youngest objects; Python's default of 700 suits small programs


@cache
def tune() -> None:
    """Look for cycles less often, and skip the modules that the process has loaded. Further calls do nothing.

    With the defaults an executor spends a third of its time on looking through live objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 20, 20)
