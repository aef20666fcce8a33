"""The checks that counts, rows, files and states agree, and the mending of disagreements.

Each module checks one kind of disagreement as `base` describes it. This room knows `lifecycle` and everything below.
Start with `verify`.
"""
