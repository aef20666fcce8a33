"""Acts on many batches: chosen, previewed, ordered, run in the background, and reported batch by batch.

This room knows the acts of `control` and `retry`, and the filters. Start with `create`.
"""
