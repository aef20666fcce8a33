"""A portal of real processes that is harmed, one fault a test, and proves afterwards that it agrees with itself.

`python -m tests.chaos` throws random faults for as long as one wants. Start with `stage`.
"""
