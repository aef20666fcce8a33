"""How long each project keeps what, what is under legal hold, and how much of the storage each project uses.

This room decides and shows; `upkeep` removes. It knows `policy` and everything below. Start with `terms`.
"""
