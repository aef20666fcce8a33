"""Pages that change something about batches: a new one, an act on one or many, a retry, another request for one line.

Each asks first and acts then, with the same services as the APIs. Start with `act_on_batch`.
"""
