"""Questions of operators: why a batch waits, why requests fail, how much goes through; and notes on error groups.

This room reads, except for the notes. It knows `lifecycle` and everything below. Start with `waiting`.
"""
