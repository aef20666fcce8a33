"""Drawing: charts, differences, JSON, tiles, and states in one word, one tone and one sentence.

The modules make plain values for templates. Some of them read the database, and none writes. Start with `batch_state`.
"""
