"""Python's cyclic garbage collector, set for processes that make very many small objects which are no garbage."""

import gc
from functools import cache

ALLOCATIONS = 50_000  # between looks at the youngest objects; Python's own 700 suits small programs


@cache
def tune() -> None:
    """Look for cycles less often, and never again through what the process has loaded. Once is enough.

    With the defaults a third of an executor's time goes into looking through live objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 20, 20)
