"""What the beat keeps in order: work that no message announced, files and rows that have lived long enough.

This room knows every other room. Start with `reconcile`.
"""
