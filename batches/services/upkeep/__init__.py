"""The beat's upkeep: finding work whose message was lost, and removing files and rows that have lived long enough.

This room knows every other room. Start with `reconcile`.
"""
