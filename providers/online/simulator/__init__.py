"""The built-in upstream. It answers any model on every endpoint, deterministically, and fails if it is asked to.

`adapter` decides between an answer and a failure. The other modules make answers up. Start with `adapter`.
"""
