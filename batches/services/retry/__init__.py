"""Retries of objects that did not succeed: in the same batch while it runs, or as a child batch once it has ended.

This room knows `lifecycle` and everything below. Start with `retry`; `lineage` reads a batch together with its retries.
"""
