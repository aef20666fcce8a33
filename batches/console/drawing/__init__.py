"""How things are shown: charts, differences, JSON, tiles, and states in one word, one tone and one sentence.

Modules here make plain values for templates; some read, none writes. Start with `standing`.
"""
