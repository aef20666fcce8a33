"""Answers for operators: why a batch waits, why requests fail, how much is done; and operators' notes on error groups.

This room only reads, except for the notes. It knows `lifecycle` and everything below. Start with `waiting`.
"""
