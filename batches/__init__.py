"""Batches: what clients submit, how it is run, and how people see it. The README has the map, the glossary and the decisions.

`rules` and `models` are at the bottom, `services` are the only writers, and the faces (`dialects`, `api`, `console`, `admin`,
`management`) are at the top. Start with the README, then `rules.states`.
"""
