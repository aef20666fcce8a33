"""How providers and batches stand: one decision for each, from everything that is known, in a code and a sentence.

This room only reads. Pages, APIs, filters and `insight` read its decisions, so that they all say the same. It knows `policy`
and `tally`. Start with `provider_state` and `batch_state`, which are pure; `look` finds what they decide from.
"""
