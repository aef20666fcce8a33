"""Chaos tests: each harms a portal of real processes in one way, and proves afterwards that its records agree.

`python -m tests.chaos` throws random faults for as long as it is told to. Start with `stage`.
"""
